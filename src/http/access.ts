import type { Endpoint } from '../api/endpoint.ts';
import { can, type Action } from '../identity/roles.ts';
import type { Person } from '../identity/person.ts';
import { WaybillError } from '../kernel/error.ts';
import type { PersonId } from '../kernel/ids.ts';

const action: Readonly<Record<Exclude<Endpoint['access'], 'public'>, Action>> = { person: 'read', reviewer: 'approve', admin: 'manage' };

/** The stand-in for whoever calls a public endpoint: known to nobody, allowed nothing. */
const nobody: Person = { id: 'nobody' as PersonId, name: 'nobody', emails: [], role: 'developer', active: false, createdAt: '' };

/** @throws WaybillError UNAUTHENTICATED, FORBIDDEN */
export async function allow(access: Endpoint['access'], person: Person | undefined): Promise<Person> {
  if (access === 'public') return person ?? nobody;
  if (!person) throw new WaybillError('UNAUTHENTICATED', 'this needs a token');
  if (!can(person, action[access])) throw new WaybillError('FORBIDDEN', `${person.id} has the role ${person.role}; this needs ${access}`);
  return person;
}
