import { buffer } from 'node:stream/consumers';
import type { Client } from '../api/client.ts';
import { endpoints } from '../api/endpoints.ts';
import { parseKeyRing } from '../evidence/keys.ts';
import { bundleMediaType, largestBundle } from '../evidence/bundle.ts';
import { subjectMatches } from '../evidence/statement.ts';
import { newestOf, type Look } from '../evidence/statements/look.ts';
import { vulnerabilitiesPredicate, vulnerabilitiesType, type Vulnerabilities } from '../evidence/statements/vulnerabilities.ts';
import { vsaType } from '../evidence/statements/vsa.ts';
import { imageSummaryPredicate } from '../evidence/statements/summary.ts';
import { verifyBundle } from '../evidence/verify.ts';
import { digestOf, isDigest, type Digest } from '../kernel/digest.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { parseReference } from '../oci/reference.ts';
import { parseVerifierKey, verifyCheckpoint, type Checkpoint } from '../ledger/note.ts';
import { leafHash, verifyInclusion } from '../ledger/merkle.ts';
import type { CliContext } from './context.ts';

export type VerifiedPaper = {
  readonly predicateType: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly ledgerIndex?: number;
};
export type VerifiedImage = {
  readonly reference: string;
  readonly digest: Digest;
  readonly ok: boolean;
  readonly papers: readonly VerifiedPaper[];
  /** The newest look at its vulnerabilities among the papers that fit. */
  readonly look?: Look;
  readonly missing: readonly string[];
};

/**
 * Fetches an image's papers from its registry and verifies each: the signature with the given keys, the subject, and the place in the
 * ledger under a checkpoint that the ledger's key has signed. `ok` needs a PASSED summary among them.
 */
export async function verifyImage(context: CliContext, text: string, keys: { papers: unknown; ledger: string }): Promise<VerifiedImage> {
  const client = await context.client();
  const { url, token } = await context.credentials();
  const person = await client.call(endpoints.whoAmI);
  const reference = parseReference(isDigest(text) ? await wholeReference(client, text) : text);
  const registry = reference.registry ?? new URL(url).host;
  using registryClient = connectRegistry({
    registry,
    plainHttp: new URL(url).protocol === 'http:',
    auth: { username: person.id, password: token },
  });
  const resolved = await registryClient.resolve(reference.repository, reference.digest ?? reference.tag ?? 'latest', context.signal);
  if (!resolved) throw new WaybillError('NOT_FOUND', `there is no image ${text}`);
  const ring = parseKeyRing(keys.papers);
  const recorded = await client.call(endpoints.showPapers, { params: { name: resolved.digest } });
  const proofs = new Map(recorded.papers.map((paper) => [JSON.stringify(paper.bundle), paper.ledger]));
  const checkpoint = recorded.checkpoint === '' ? undefined : verifyCheckpoint(recorded.checkpoint, [parseVerifierKey(keys.ledger)]);

  const papers: VerifiedPaper[] = [];
  const looks: Vulnerabilities[] = [];
  let passed = false;
  for (const descriptor of await registryClient.listReferrers(reference.repository, resolved.digest, {
    artifactType: bundleMediaType,
    signal: context.signal,
  })) {
    const bundle = await readBundle(registryClient, reference.repository, descriptor.digest as Digest, context.signal);
    let predicateType = descriptor.annotations?.['dev.sigstore.bundle.predicateType'] ?? 'unknown';
    try {
      const { statement } = verifyBundle(bundle, ring);
      predicateType = statement.predicateType;
      if (!subjectMatches(statement, resolved.digest)) throw new WaybillError('PAPER_MALFORMED', 'it is about another image');
      const index = verifyInLedger(bundle, proofs.get(JSON.stringify(JSON.parse(bundle))), checkpoint);
      if (predicateType === vsaType) {
        const summary = imageSummaryPredicate.safeParse(statement.predicate);
        if (summary.success && summary.data.verificationResult === 'PASSED') passed = true;
      }
      if (predicateType === vulnerabilitiesType) looks.push(vulnerabilitiesPredicate.parse(statement.predicate));
      papers.push({ predicateType, ok: true, detail: 'signature, subject and ledger fit', ledgerIndex: index });
    } catch (error) {
      papers.push({ predicateType, ok: false, detail: messageOf(error) });
    }
  }
  const missing = passed ? [] : ['a summary that this image passed: the gate will refuse it'];
  return {
    reference: `${registry}/${reference.repository}@${resolved.digest}`,
    digest: resolved.digest,
    ok: passed && papers.every((paper) => paper.ok),
    papers,
    ...(looks.length > 0 ? { look: newestOf(looks) } : {}),
    missing,
  };
}

async function readBundle(client: RegistryClient, repository: string, digest: Digest, signal: AbortSignal): Promise<string> {
  const { manifest } = await client.getManifest(repository, digest, signal);
  const layer = manifest.kind === 'image' ? manifest.image.layers[0] : undefined;
  if (!layer || layer.size > largestBundle) throw new WaybillError('PAPER_MALFORMED', `the referrer ${digest} holds no bundle`);
  return (await buffer(await client.getBlob(repository, layer, signal))).toString('utf8');
}

/** A digest alone names an image too, when the gate knows it. */
async function wholeReference(client: Client, digest: Digest): Promise<string> {
  const known = (await client.call(endpoints.listImages)).find((image) => image.digest === digest);
  if (!known)
    throw new WaybillError('NOT_FOUND', `no image that the gate admits has the digest ${digest}`, { fix: 'waybill images lists them.' });
  return `${new URL(client.url).host}/${known.repository}@${digest}`;
}

type Proof = { readonly index: number; readonly leaf: string; readonly proof: readonly string[] };

/** The index of the entry that holds the bundle's digest, proved to be under the checkpoint. @throws WaybillError LEDGER_BROKEN */
function verifyInLedger(bundle: string, proof: Proof | undefined, checkpoint: Checkpoint | undefined): number {
  if (!proof || !checkpoint) throw new WaybillError('LEDGER_BROKEN', 'the ledger does not hold this paper');
  const entry = JSON.parse(proof.leaf) as { body?: { digest?: unknown }; index?: unknown };
  if (entry.body?.digest !== digestOf(bundle) || entry.index !== proof.index) {
    throw new WaybillError('LEDGER_BROKEN', `entry ${proof.index} of the ledger is about another paper`);
  }
  const { size, root } = checkpoint;
  if (!verifyInclusion({ index: proof.index, size, leaf: leafHash(proof.leaf), root, hashes: proof.proof })) {
    throw new WaybillError('LEDGER_BROKEN', `entry ${proof.index} is not under the signed checkpoint of size ${size}`);
  }
  return proof.index;
}
