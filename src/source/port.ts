import type { ChangeId, PersonId, RepositoryName } from '../kernel/ids.ts';
import type { GitOid } from '../kernel/git-oid.ts';

export type Repository = {
  readonly name: RepositoryName;
  /** Branch name without `refs/heads/`. */
  readonly protectedBranch: string;
  readonly createdAt: string;
};

export type ChangeState = 'open' | 'merged' | 'abandoned';

/** One pushed state of a change. `base` is the merge base of the protected branch and `head` at the time of the push. */
export type ChangeVersion = {
  readonly version: number;
  readonly base: GitOid;
  readonly head: GitOid;
  readonly tree: GitOid;
  readonly pusher: PersonId;
  readonly pushedAt: string;
  /** Everybody who is named as author or committer in the range; `person` when an address is known. */
  readonly hands: readonly Hand[];
};

export type Hand = {
  readonly role: 'author' | 'committer';
  readonly name: string;
  readonly email: string;
  readonly person?: PersonId;
  /** One commit of the range that names this hand. */
  readonly commit?: GitOid;
};

export type Change = {
  readonly id: ChangeId;
  readonly repository: RepositoryName;
  readonly branch: string;
  readonly title: string;
  readonly state: ChangeState;
  /** Oldest first, never empty. */
  readonly versions: readonly ChangeVersion[];
  readonly reviews: readonly Review[];
  readonly merge?: ReviewedCommit;
};

/** Bound to change + base + head + tree; void as soon as a newer version exists (`current: false`). */
export type Review = {
  readonly change: ChangeId;
  readonly version: number;
  readonly base: GitOid;
  readonly head: GitOid;
  readonly tree: GitOid;
  readonly reviewer: PersonId;
  readonly verdict: 'approve' | 'reject';
  readonly comment: string;
  readonly at: string;
  readonly current: boolean;
};

/** The only thing that images are built from. Made by the merge, never by a caller. */
export type ReviewedCommit = {
  readonly repository: RepositoryName;
  readonly change: ChangeId;
  readonly version: number;
  readonly base: GitOid;
  readonly head: GitOid;
  readonly reviewedTree: GitOid;
  /** Tip of the protected branch before the merge. */
  readonly onto: GitOid;
  readonly commit: GitOid;
  readonly tree: GitOid;
  readonly method: 'identical' | 'mechanical-merge';
  readonly approvals: readonly { readonly reviewer: PersonId; readonly at: string }[];
  readonly mergedBy: PersonId;
  readonly mergedAt: string;
};
