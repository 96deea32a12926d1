/**
 * Rows of the tables that this folder owns. Oids are hex, moments ISO 8601 in UTC, lists JSON.
 * A repository that was removed keeps its row, so that a new one of the same name has no part in its changes.
 */
export type SourceTables = {
  source_repository: { id: number; name: string; protected_branch: string; created_at: string; removed_at: string | null };
  /** The one push that nobody reviewed: the first one, by an administrator. `intent` until the ref is known to have moved. */
  initial_push: { repository_id: number; commit: string; person: string; at: string; state: 'intent' | 'done' };
  change: {
    id: number;
    repository_id: number;
    branch: string;
    title: string;
    state: 'open' | 'merged' | 'abandoned';
    opened_by: string;
    topic: string | null;
    /** Gerrit's `Change-Id` trailer of the newest head. */
    change_key: string | null;
  };
  change_version: {
    change_id: number;
    version: number;
    base: string;
    head: string;
    tree: string;
    pusher: string;
    pushed_at: string;
    hands: string;
  };
  review: {
    id: number;
    change_id: number;
    version: number;
    base: string;
    head: string;
    tree: string;
    reviewer: string;
    verdict: 'approve' | 'reject';
    comment: string;
    at: string;
  };
  /** `intent` is written before the ref moves and becomes `done` after; see local/merge.ts. */
  merge: {
    change_id: number;
    repository_id: number;
    version: number;
    base: string;
    head: string;
    reviewed_tree: string;
    onto: string;
    commit: string;
    tree: string;
    method: 'identical' | 'mechanical-merge';
    approvals: string;
    merged_by: string;
    merged_at: string;
    state: 'intent' | 'done';
  };
};
