import type { GitOid } from '../kernel/git-oid.ts';
import type { ChangeId } from '../kernel/ids.ts';
import { isWaybillError } from '../kernel/error.ts';
import type { Person } from '../identity/person.ts';
import type { Change } from '../source/port.ts';
import { recordRefusal } from './record-refusal.ts';
import type { World } from './world.ts';

/** Approves the newest version; the ledger keeps who approved exactly what, and who was refused. */
export async function approve(world: World, id: ChangeId, person: Person, input: { comment: string; head?: GitOid }): Promise<Change> {
  return review(world, id, person, 'approval', () =>
    world.source.approve(id, person, { comment: input.comment, ...(input.head === undefined ? {} : { expect: { head: input.head } }) }),
  );
}

export async function reject(world: World, id: ChangeId, person: Person, input: { comment: string }): Promise<Change> {
  return review(world, id, person, 'rejection', () => world.source.reject(id, person, { comment: input.comment }));
}

async function review(
  world: World,
  id: ChangeId,
  person: Person,
  kind: 'approval' | 'rejection',
  act: () => Promise<unknown>,
): Promise<Change> {
  try {
    await act();
  } catch (error) {
    if (isWaybillError(error, 'FORBIDDEN', 'CONFLICT')) await recordRefusal(world, `${kind} of change ${id} by ${person.id}`, error.detail);
    throw error;
  }
  const change = await world.source.getChange(id);
  const version = change.versions.at(-1);
  if (version) {
    await world.ledger.append({
      kind,
      subject: [`gitCommit:${version.head}`, `gitTree:${version.tree}`, `change:${id}`],
      body: { change: id, version: version.version, base: version.base, head: version.head, tree: version.tree, reviewer: person.id },
    });
  }
  return change;
}
