import type { PersonId } from '../kernel/ids.ts';
import type { Identity } from '../identity/identity.ts';
import { normalizeEmail, type Person } from '../identity/person.ts';

/** Everybody at one moment, for rules that must not wait between two questions. Holds the removed too. */
export type PeopleIndex = { byId(id: PersonId): Person | undefined; byEmail(email: string): Person | undefined };

export async function readPeople(identity: Pick<Identity, 'listPeople'>): Promise<PeopleIndex> {
  return indexPeople(await identity.listPeople());
}

export function indexPeople(people: readonly Person[]): PeopleIndex {
  const ids = new Map(people.map((person) => [person.id, person]));
  const emails = new Map(people.flatMap((person) => person.emails.map((email) => [email, person] as const)));
  return { byId: (id) => ids.get(id), byEmail: (email) => emails.get(normalizeEmail(email)) };
}
