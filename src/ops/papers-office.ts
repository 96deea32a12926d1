import type { SimpleSignature } from '../evidence/cosign-forms.ts';
import type { RunId } from '../kernel/ids.ts';
import type { Snapshot } from '../evidence/snapshot.ts';

/** A paper as the signer gave it: the bundle's text, what it is about, what it says. */
export type SignedPaper = { readonly bundle: string; readonly predicateType: string; readonly subjects: readonly string[] };

/**
 * What the server may ask of the signer. There is no way to have bytes signed: each request names what happened, and the signer looks
 * it up in the journal by itself.
 */
export type PapersOffice = {
  review(run: RunId, image?: string): Promise<readonly SignedPaper[]>;
  tests(run: RunId, stage: string, image?: string): Promise<readonly SignedPaper[]>;
  scan(run: RunId, scan: 'secrets' | 'dependencies', image?: string): Promise<readonly SignedPaper[]>;
  imageScan(run: RunId, image: string): Promise<readonly SignedPaper[]>;
  imageRescan(run: RunId, image: string): Promise<readonly SignedPaper[]>;
  sbom(run: RunId, image: string): Promise<readonly SignedPaper[]>;
  provenance(run: RunId, image: string): Promise<readonly SignedPaper[]>;
  /** The summary, and the image's signature in cosign's simple form. */
  summary(run: RunId, image: string): Promise<{ readonly papers: readonly SignedPaper[]; readonly signature: SimpleSignature }>;
  /** The papers of an import, and the image's signature in cosign's simple form. */
  imported(number: number): Promise<{ readonly papers: readonly SignedPaper[]; readonly signature: SimpleSignature }>;
  /** Has the ledger's head signed, and the snapshot for the gate made anew. */
  seal(): Promise<void>;
  /** The newest snapshot, verified; and the envelope that the gate fetches. */
  snapshot(): Promise<{ readonly snapshot: Snapshot; readonly envelope: string } | undefined>;
  keys(): Promise<{ readonly papers: unknown; readonly ledger: string }>;
};
