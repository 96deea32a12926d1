import { WaybillError } from '../kernel/error.ts';
import type { GitOid } from '../kernel/git-oid.ts';

/**
 * Refuses an old run that would deploy over a newer one: the new commit must be the running one or descend from it.
 * @param running commit of the running release, undefined for the first deploy
 * @param isAncestor true when `a` is `b` or an ancestor of it
 * @throws WaybillError NOT_FORWARD
 */
export async function requireForward(
  running: GitOid | undefined,
  next: GitOid,
  isAncestor: (a: GitOid, b: GitOid) => boolean | Promise<boolean>,
  rollback: boolean,
): Promise<void> {
  if (rollback || running === undefined || running === next) return;
  if (await isAncestor(running, next)) return;
  const older = await isAncestor(next, running);
  throw new WaybillError(
    'NOT_FORWARD',
    `${next.slice(0, 12)} ${older ? 'is older than' : 'does not descend from'} ${running.slice(0, 12)}, which runs`,
  );
}
