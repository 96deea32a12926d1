import type { Kysely } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import type { PersonId } from '../kernel/ids.ts';
import type { Secret } from '../kernel/secret.ts';
import type { Store } from '../store/store.ts';
import { normalizeEmail, parseEmail, parseLine, parsePersonId, type Person, type Token } from './person.ts';
import { isRole, type Role } from './roles.ts';
import type { IdentityTables } from './tables.ts';
import { insertToken, ownerOf, parseTokenRow } from './tokens.ts';

const maxEmails = 50;

export type NewPerson = { readonly id: string; readonly name?: string; readonly emails: readonly string[]; readonly role: string };

/** People, their addresses and their tokens. Nothing here asks who calls: that is the caller's duty, with `can` (roles.ts). */
export type Identity = {
  /**
   * Adds somebody, or brings back somebody who was removed under the same id (old tokens stay revoked).
   * @throws WaybillError CONFLICT when the id is active or an address belongs to somebody else; INVALID_INPUT
   */
  addPerson(person: NewPerson): Promise<Person>;
  /** One more address for somebody; addresses are never taken away, or old commits would lose their authors. */
  addEmail(id: PersonId, email: string): Promise<Person>;
  setRole(id: PersonId, role: string): Promise<Person>;
  /** Everybody, also the removed (`active: false`), by id. */
  listPeople(): Promise<Person[]>;
  getPerson(id: PersonId): Promise<Person | undefined>;
  /** Keeps the person as inactive and revokes every token. @throws WaybillError NOT_FOUND, CONFLICT for the last administrator */
  removePerson(id: PersonId): Promise<Person>;
  /** Also somebody who was removed: whose hand it was does not change. */
  personByEmail(email: string): Promise<Person | undefined>;
  mintToken(
    person: Pick<Person, 'id'>,
    options: { readonly label: string; readonly expiresInDays?: number },
  ): Promise<{ id: string; token: Secret }>;
  listTokens(person?: PersonId): Promise<Token[]>;
  /** Revoking twice is no error. @throws WaybillError NOT_FOUND */
  revokeToken(id: string): Promise<Token>;
  /** Somebody active with a living token; `undefined` for everything else, without a reason. */
  authenticate(token: Secret): Promise<Person | undefined>;
  /** HTTP Basic: the user name must be the token's owner. */
  authenticateBasic(username: string, password: Secret): Promise<Person | undefined>;
};

export function openIdentity(store: Store, clock: Clock): Identity {
  const db = store.as<IdentityTables>();

  const authenticate = async (token: Secret) => {
    const owner = await ownerOf(db, clock, token);
    const person = owner === undefined ? undefined : await findPerson(db, owner);
    return person?.active ? person : undefined;
  };

  return {
    authenticate,
    async authenticateBasic(username, password) {
      const person = await authenticate(password);
      return person?.id === username ? person : undefined;
    },

    async addPerson(input) {
      const id = parsePersonId(input.id);
      const role = parseRole(input.role);
      const name = input.name === undefined ? id : parseLine(input.name, 'the name');
      const emails = [...new Set(input.emails.map(parseEmail))];
      if (emails.length > maxEmails) throw new WaybillError('LIMIT_EXCEEDED', `a person has at most ${maxEmails} addresses`);
      return db.transaction().execute(async (trx) => {
        const present = await findPerson(trx, id);
        if (present?.active) throw new WaybillError('CONFLICT', `there is a person ${id} already`);
        if (present) await trx.updateTable('person').set({ name, role, active: 1 }).where('id', '=', id).execute();
        else await trx.insertInto('person').values({ id, name, role, active: 1, created_at: clock.now().toISOString() }).execute();
        for (const email of emails) await insertEmail(trx, id, email);
        return existing(trx, id);
      });
    },

    async addEmail(id, email) {
      const normal = parseEmail(email);
      return db.transaction().execute(async (trx) => {
        const person = await existing(trx, id);
        if (person.emails.length >= maxEmails) throw new WaybillError('LIMIT_EXCEEDED', `a person has at most ${maxEmails} addresses`);
        await insertEmail(trx, id, normal);
        return existing(trx, id);
      });
    },

    async setRole(id, role) {
      const parsed = parseRole(role);
      return db.transaction().execute(async (trx) => {
        const person = await existing(trx, id);
        if (parsed !== 'admin') await keepOneAdministrator(trx, person);
        await trx.updateTable('person').set({ role: parsed }).where('id', '=', id).execute();
        return existing(trx, id);
      });
    },

    listPeople: () => selectPeople(db),
    getPerson: (id) => findPerson(db, id),

    async removePerson(id) {
      return db.transaction().execute(async (trx) => {
        await keepOneAdministrator(trx, await existing(trx, id));
        await trx.updateTable('person').set({ active: 0 }).where('id', '=', id).execute();
        const revoked = { revoked_at: clock.now().toISOString() };
        await trx.updateTable('token').set(revoked).where('person', '=', id).where('revoked_at', 'is', null).execute();
        return existing(trx, id);
      });
    },

    async personByEmail(email) {
      const row = await db.selectFrom('person_email').selectAll().where('email', '=', normalizeEmail(email)).executeTakeFirst();
      return row && findPerson(db, row.person as PersonId);
    },

    async mintToken({ id }, options) {
      return db.transaction().execute(async (trx) => {
        const person = await existing(trx, id);
        if (!person.active) throw new WaybillError('CONFLICT', `${id} was removed`);
        return insertToken(trx, clock, id, options);
      });
    },

    async listTokens(person) {
      const all = db.selectFrom('token').selectAll().orderBy('created_at').orderBy('id');
      return (await (person === undefined ? all : all.where('person', '=', person)).execute()).map(parseTokenRow);
    },

    async revokeToken(id) {
      const revoked = { revoked_at: clock.now().toISOString() };
      await db.updateTable('token').set(revoked).where('id', '=', id).where('revoked_at', 'is', null).execute();
      const row = await db.selectFrom('token').selectAll().where('id', '=', id).executeTakeFirst();
      if (!row) throw new WaybillError('NOT_FOUND', `no token ${JSON.stringify(id.slice(0, 80))}`);
      return parseTokenRow(row);
    },
  };
}

async function selectPeople(db: Kysely<IdentityTables>, id?: PersonId): Promise<Person[]> {
  const people = db.selectFrom('person').selectAll().orderBy('id');
  const emails = db.selectFrom('person_email').selectAll().orderBy('email');
  const rows = await (id === undefined ? people : people.where('id', '=', id)).execute();
  const byPerson = Map.groupBy(await (id === undefined ? emails : emails.where('person', '=', id)).execute(), (row) => row.person);
  return rows.map((row) => ({
    id: row.id as PersonId,
    name: row.name,
    emails: (byPerson.get(row.id) ?? []).map((each) => each.email),
    role: parseRole(row.role),
    active: row.active === 1,
    createdAt: row.created_at,
  }));
}

async function findPerson(db: Kysely<IdentityTables>, id: PersonId): Promise<Person | undefined> {
  return (await selectPeople(db, id))[0];
}

async function existing(db: Kysely<IdentityTables>, id: PersonId): Promise<Person> {
  const person = await findPerson(db, id);
  if (!person) throw new WaybillError('NOT_FOUND', `no person ${JSON.stringify(id.slice(0, 80))}`);
  return person;
}

async function insertEmail(db: Kysely<IdentityTables>, person: PersonId, email: string): Promise<void> {
  const taken = await db.selectFrom('person_email').selectAll().where('email', '=', email).executeTakeFirst();
  if (taken?.person === person) return;
  if (taken) throw new WaybillError('CONFLICT', `${email} is an address of ${taken.person}`);
  await db.insertInto('person_email').values({ email, person }).execute();
}

async function keepOneAdministrator(db: Kysely<IdentityTables>, leaving: Person): Promise<void> {
  if (leaving.role !== 'admin' || !leaving.active) return;
  const others = (await selectPeople(db)).filter((person) => person.active && person.role === 'admin' && person.id !== leaving.id);
  if (others.length === 0)
    throw new WaybillError('CONFLICT', `${leaving.id} is the last administrator`, { fix: 'Add another administrator first.' });
}

function parseRole(text: string): Role {
  if (!isRole(text))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 80))} is not a role`, {
      fix: 'Use developer, reviewer or admin.',
    });
  return text;
}
