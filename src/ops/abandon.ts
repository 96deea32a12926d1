import type { Person } from '../identity/person.ts';
import type { ChangeId } from '../kernel/ids.ts';
import type { Change } from '../source/port.ts';
import type { World } from './world.ts';

/** Gives an open change up: by whoever opened it, or an administrator. */
export async function abandon(world: World, id: ChangeId, person: Person): Promise<Change> {
  await world.source.abandon(id, person);
  await world.ledger.append({ kind: 'admin', subject: [`change:${id}`], body: { act: 'change-abandon', change: id, by: person.id } });
  return world.source.getChange(id);
}
