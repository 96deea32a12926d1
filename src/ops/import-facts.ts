import type { ImportFacts } from '../evidence/facts.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Imports } from '../registry/imports.ts';

/** Where the signer reads about imports, in its own process, read-only. */
export type ImportDeps = {
  readonly imports: Pick<Imports, 'get'>;
  readonly requiredApprovals: number;
  /** Who may review now. */
  reviewers(): Promise<ReadonlySet<string>>;
};

/** @throws WaybillError VERDICT_REFUSED unless enough people who may review, and did not ask for it, approved what was copied */
export async function importFacts({ imports, requiredApprovals, reviewers }: ImportDeps, number: number): Promise<ImportFacts> {
  const found = await imports.get(number);
  const refused = (why: string) => new WaybillError('VERDICT_REFUSED', `import ${number} ${why}`);
  if (!found) throw refused('does not exist');
  if (found.state !== 'imported' || found.importedAt === undefined) throw refused(`is ${found.state}, not imported`);
  const may = await reviewers();
  const approvals = found.approvals.filter(({ reviewer }) => reviewer !== found.requestedBy && may.has(reviewer));
  if (new Set(approvals.map((each) => each.reviewer)).size < requiredApprovals)
    throw refused(`has ${approvals.length} of the ${requiredApprovals} approvals that it needs`);
  const { reference, digest, repository, reason, requestedBy, requestedAt, importedAt } = found;
  return { number, image: { repository, digest }, reference, reason, requestedBy, requestedAt, approvals, importedAt };
}
