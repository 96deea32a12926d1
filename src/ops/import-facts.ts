import type { ImportFacts } from '../evidence/facts.ts';
import { signaturesText } from '../evidence/upstream/signatures-text.ts';
import { WaybillError } from '../kernel/error.ts';
import type { ImageImport, Imports } from '../registry/imports.ts';
import type { ScanDocuments } from '../scan/documents.ts';
import { parseRecord } from '../scan/record.ts';
import { importScan } from './scan-facts.ts';
import type { UpstreamTrust } from '../registry/upstream-trust.ts';
import { examinedOf, isSignatureRequired, judgeKept, type Examined } from './examine-import.ts';
import { upstreamNameOf } from './upstream-name.ts';

/** Where the signer reads about imports, in its own process, read-only. */
export type ImportDeps = {
  readonly imports: Pick<Imports, 'get'>;
  readonly documents: Pick<ScanDocuments, 'get'>;
  readonly upstreamTrust: Pick<UpstreamTrust, 'list'>;
  readonly requiredApprovals: number;
  /** Who may review now. */
  reviewers(): Promise<ReadonlySet<string>>;
};

/** @throws WaybillError VERDICT_REFUSED unless enough people who may review, and did not ask for it, approved what was copied */
export async function importFacts(
  { imports, upstreamTrust, requiredApprovals, reviewers, documents }: ImportDeps,
  number: number,
): Promise<ImportFacts> {
  const found = await imports.get(number);
  const refused = (why: string) => new WaybillError('VERDICT_REFUSED', `import ${number} ${why}`);
  if (!found) throw refused('does not exist');
  if (found.state !== 'imported' || found.importedAt === undefined) throw refused(`is ${found.state}, not imported`);
  const may = await reviewers();
  const approvals = found.approvals.filter(({ reviewer }) => reviewer !== found.requestedBy && may.has(reviewer));
  if (new Set(approvals.map((each) => each.reviewer)).size < requiredApprovals)
    throw refused(`has ${approvals.length} of the ${requiredApprovals} approvals that it needs`);
  const name = upstreamNameOf(found.reference);
  const examined = await judgeKept(upstreamTrust, found, name);
  if (examined) requireSameVerdict(examined, found, refused);
  else if (await isSignatureRequired(upstreamTrust, name)) throw refused('must be signed by its upstream, and nobody has looked');
  const { reference, digest, repository, reason, requestedBy, requestedAt, importedAt } = found;
  return {
    number,
    image: { repository, digest },
    reference,
    reason,
    requestedBy,
    requestedAt,
    approvals,
    importedAt,
    ...(examined ? { signatures: examined.signatures } : {}),
    ...(found.scan === undefined ? {} : { scan: importScan(found.scan, parseRecord(await documents.get('record', found.scan))) }),
  };
}

/** What the server says to have verified must verify here too, from the very bytes; and what is required must be there. */
function requireSameVerdict(examined: Examined, found: ImageImport, refused: (why: string) => WaybillError): void {
  const claimed = examinedOf(found)?.signatures.outcome;
  const { outcome, required } = examined.signatures;
  if (claimed === 'verified' && outcome !== 'verified')
    throw refused(`is said to be signed by its upstream, and is not: ${signaturesText(examined.signatures)}`);
  if (outcome === 'verified' && examined.material.length === 0) throw refused('is said to be signed by its upstream, without a signature');
  if (required && outcome !== 'verified') throw refused(`must be signed by its upstream: ${signaturesText(examined.signatures)}`);
}
