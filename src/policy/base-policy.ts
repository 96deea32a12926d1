import type { BaseFacts } from '../evidence/base-facts.ts';
import { matchesPath } from '../kernel/path-pattern.ts';

/** One kind of base that is allowed: everything that it names must hold. */
export type BaseRule = {
  /** Pattern of repositories in our registry, without host: `bases/*`. */
  readonly repository?: string | undefined;
  /** Pattern of where an import comes from, without tag: `docker.io/library/*`. What was built here matches none. */
  readonly upstream?: string | undefined;
  readonly from?: 'build' | 'import' | undefined;
  /** Named by its digest in the pipeline file or Dockerfile. */
  readonly pinned?: boolean | undefined;
  /** Days since its newest paper was signed: since it was built, or imported, here. */
  readonly maxAgeDays?: number | undefined;
};

/** Which bases images may be built upon; none but these. */
export type BasePolicy = { readonly allow: readonly BaseRule[] };

export type JudgedBase = {
  /** As it is written. */
  readonly reference: string;
  readonly pinned: boolean;
  /** Every paper that holds: an image may have been built and imported. Empty: it has none. */
  readonly papers: readonly BaseFacts[];
};

const dayMs = 86_400_000;

/** Why the policy of the administrator refuses a base, in one sentence; undefined when it is allowed. Without a policy everything is. */
export function refuseBase(policy: BasePolicy | undefined, base: JudgedBase, at: Date): string | undefined {
  if (policy === undefined) return undefined;
  if (base.papers.length === 0) return 'it has no papers, and only bases with papers are allowed';
  const closest: string[] = [];
  for (const rule of policy.allow)
    for (const paper of base.papers) {
      if (!covers(rule, paper)) continue;
      const short = shortOf(rule, base, paper, at);
      if (short === undefined) return undefined;
      closest.push(short);
    }
  return closest[0] ?? `none of the ${policy.allow.length} kinds of bases that the administrator allows covers it`;
}

function covers(rule: BaseRule, paper: BaseFacts): boolean {
  if (rule.repository !== undefined && !matchesPath(rule.repository, paper.repository)) return false;
  if (rule.upstream === undefined) return true;
  return paper.upstream !== undefined && matchesPath(rule.upstream, withoutTag(paper.upstream));
}

/** What a base lacks of a rule that is about it. */
function shortOf(rule: BaseRule, base: JudgedBase, paper: BaseFacts, at: Date): string | undefined {
  if (rule.from !== undefined && rule.from !== paper.from)
    return rule.from === 'build' ? 'it is an import, and must be built here' : 'it is built here, and must be an import';
  if (rule.pinned === true && !base.pinned) return 'it is named by a tag, and must be named by its digest';
  if (rule.maxAgeDays === undefined) return undefined;
  const days = (at.getTime() - Date.parse(paper.signedAt)) / dayMs;
  // A date that cannot be read is no young one.
  if (days <= rule.maxAgeDays) return undefined;
  return `it was ${paper.from === 'build' ? 'built' : 'imported'} on ${paper.signedAt.slice(0, 10)}, and may be ${rule.maxAgeDays} days old`;
}

function withoutTag(reference: string): string {
  const name = reference.split('@', 1)[0] ?? '';
  return name.replace(/:[^:/]*$/, '');
}
