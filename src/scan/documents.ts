import type { Clock } from '../kernel/clock.ts';
import { digestOf, type Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Store } from '../store/store.ts';

/** `record`: what a scan came to (record.ts). `sbom`: a CycloneDX document. `comparison`: what is new since a release (release-comparison.ts). */
export type DocumentKind = 'record' | 'sbom' | 'comparison';

type ScanTables = {
  scan_document: { readonly digest: string; readonly kind: DocumentKind; readonly recorded_at: string; readonly text: string };
};

/** Texts that scans leave, by their digest: a journal names the digest, so that nobody can put another text in its place unseen. */
export type ScanDocuments = {
  /** The same text again changes nothing. @throws WaybillError LIMIT_EXCEEDED */
  put(kind: DocumentKind, text: string): Promise<Digest>;
  /** @throws WaybillError NOT_FOUND, or LEDGER_BROKEN when it is not the text of that digest */
  get(kind: DocumentKind, digest: Digest): Promise<string>;
  /** Of a look that a newer one has taken the place of: its paper in the ledger says what it found. */
  forget(kind: DocumentKind, digest: Digest): Promise<void>;
};

/** In characters: a bundle of it must still fit into the ledger and through the signer. */
const largest = 8 * 1024 * 1024;

export function openScanDocuments(store: Store, clock: Clock): ScanDocuments {
  const db = store.as<ScanTables>();
  return {
    async put(kind, text) {
      if (text.length > largest)
        throw new WaybillError('LIMIT_EXCEEDED', `a scan's ${kind} has ${text.length} characters, more than ${largest}`);
      const digest = digestOf(text);
      await db
        .insertInto('scan_document')
        .values({ digest, kind, recorded_at: clock.now().toISOString(), text })
        .onConflict((conflict) => conflict.column('digest').doNothing())
        .execute();
      return digest;
    },
    async get(kind, digest) {
      const row = await db.selectFrom('scan_document').selectAll().where('digest', '=', digest).where('kind', '=', kind).executeTakeFirst();
      if (!row) throw new WaybillError('NOT_FOUND', `there is no ${kind} ${digest} of a scan`);
      if (digestOf(row.text) !== digest) throw new WaybillError('LEDGER_BROKEN', `the stored ${kind} ${digest} of a scan was changed`);
      return row.text;
    },
    async forget(kind, digest) {
      await db.deleteFrom('scan_document').where('digest', '=', digest).where('kind', '=', kind).execute();
    },
  };
}
