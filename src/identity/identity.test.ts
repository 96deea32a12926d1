import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaybillError } from '../kernel/error.ts';
import type { PersonId } from '../kernel/ids.ts';
import { Secret } from '../kernel/secret.ts';
import { openStore } from '../store/store.ts';
import { openIdentity } from './identity.ts';
import { identityMigrations } from './migrations.ts';
import { can, type Action, type Role } from './roles.ts';
import type { IdentityTables } from './tables.ts';

async function identity() {
  const store = openStore(':memory:');
  await store.migrate(identityMigrations);
  const time = { at: Date.parse('2026-01-01T00:00:00Z') };
  const people = openIdentity(store, { now: () => new Date(time.at) });
  return { store, time, people, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

const ada = { id: 'ada', emails: ['Ada@Example.com'], role: 'admin' };
const id = (text: string) => text as PersonId;
const refuses = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

test('addresses are found whatever their case and belong to one person', async () => {
  await using t = await identity();
  await t.people.addPerson(ada);
  assert.equal((await t.people.personByEmail(' aDa@eXample.COM '))?.id, 'ada');
  assert.equal(await t.people.personByEmail('ada@example.org'), undefined);
  await assert.rejects(t.people.addPerson({ id: 'eve', emails: ['ADA@example.com'], role: 'developer' }), refuses('CONFLICT'));
  assert.equal(await t.people.getPerson(id('eve')), undefined, 'a refused person leaves nothing behind');
  await t.people.addEmail(id('ada'), 'ada@work.example');
  assert.deepEqual((await t.people.getPerson(id('ada')))?.emails, ['ada@example.com', 'ada@work.example']);
});

for (const [what, person] of [
  ['an id with capitals', { ...ada, id: 'Ada' }],
  ['an id that is a path', { ...ada, id: '../ada' }],
  ['an unknown role', { ...ada, role: 'root' }],
  ['a role of the object prototype', { ...ada, role: 'constructor' }],
  ['an address with a line break', { ...ada, emails: ['a@b\nc@d'] }],
  ['an address without @', { ...ada, emails: ['ada'] }],
  ['a name with a line break', { ...ada, name: 'Ada\nReviewed-by: eve' }],
] as const)
  test(`${what} is refused`, async () => {
    await using t = await identity();
    await assert.rejects(t.people.addPerson(person), refuses('INVALID_INPUT'));
  });

test('a token lets in its owner alone, and only its hash is kept', async () => {
  await using t = await identity();
  const person = await t.people.addPerson(ada);
  const { id: tokenId, token } = await t.people.mintToken(person, { label: 'laptop' });
  assert.match(token.reveal(), /^wb_[A-Za-z0-9_-]{43}$/);
  assert.equal((await t.people.authenticate(token))?.id, 'ada');
  assert.equal((await t.people.authenticateBasic('ada', token))?.id, 'ada');
  for (const name of ['eve', 'Ada', '', 'ada '])
    assert.equal(await t.people.authenticateBasic(name, token), undefined, `user name ${JSON.stringify(name)}`);
  const rows = await t.store.as<IdentityTables>().selectFrom('token').selectAll().execute();
  assert.ok(!JSON.stringify(rows).includes(token.reveal().slice(3)));
  assert.ok(!JSON.stringify(await t.people.listTokens()).includes(token.reveal().slice(3)));
  assert.equal((await t.people.revokeToken(tokenId)).revokedAt, '2026-01-01T00:00:00.000Z');
  assert.equal(await t.people.authenticate(token), undefined);
  await assert.rejects(t.people.revokeToken('t-none'), refuses('NOT_FOUND'));
});

test('what is no token lets nobody in', async () => {
  await using t = await identity();
  const person = await t.people.addPerson(ada);
  const { token } = await t.people.mintToken(person, { label: 'x' });
  const text = token.reveal();
  for (const wrong of ['', 'wb_', text.slice(0, -1), `${text}a`, ` ${text}`, text.toUpperCase(), `wb_${'A'.repeat(43)}`, 'x'.repeat(1e6)])
    assert.equal(await t.people.authenticate(new Secret(wrong)), undefined);
});

test('a token expires', async () => {
  await using t = await identity();
  const person = await t.people.addPerson(ada);
  const { token } = await t.people.mintToken(person, { label: 'short', expiresInDays: 1 });
  t.time.at += 86_400_000 - 1;
  assert.ok(await t.people.authenticate(token));
  t.time.at += 1;
  assert.equal(await t.people.authenticate(token), undefined);
  for (const expiresInDays of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e9])
    await assert.rejects(t.people.mintToken(person, { label: 'bad', expiresInDays }), refuses('INVALID_INPUT'));
});

test('a removed person stays known, loses all tokens, and may come back without them', async () => {
  await using t = await identity();
  await t.people.addPerson(ada);
  const bob = await t.people.addPerson({ id: 'bob', name: 'Bob', emails: ['bob@example.com'], role: 'reviewer' });
  const { token } = await t.people.mintToken(bob, { label: 'x' });
  const removed = await t.people.removePerson(bob.id);
  assert.equal(removed.active, false);
  assert.equal(can(removed, 'read'), false);
  assert.equal(await t.people.authenticate(token), undefined);
  assert.equal((await t.people.personByEmail('bob@example.com'))?.id, 'bob');
  await assert.rejects(t.people.mintToken(bob, { label: 'y' }), refuses('CONFLICT'));
  await t.people.addPerson({ id: 'bob', emails: [], role: 'developer' });
  assert.equal(await t.people.authenticate(token), undefined);
  assert.deepEqual((await t.people.getPerson(bob.id))?.emails, ['bob@example.com']);
});

test('the last administrator stays', async () => {
  await using t = await identity();
  await t.people.addPerson(ada);
  await assert.rejects(t.people.removePerson(id('ada')), refuses('CONFLICT'));
  await assert.rejects(t.people.setRole(id('ada'), 'developer'), refuses('CONFLICT'));
  await t.people.addPerson({ id: 'eva', emails: [], role: 'admin' });
  assert.equal((await t.people.removePerson(id('ada'))).active, false);
});

test('roles allow what their row says, and nothing else', () => {
  const table: Record<Role, Action[]> = {
    developer: ['read', 'propose'],
    reviewer: ['read', 'propose', 'approve', 'reject', 'merge'],
    admin: ['read', 'propose', 'approve', 'reject', 'merge', 'manage'],
  };
  const actions: Action[] = ['read', 'propose', 'approve', 'reject', 'merge', 'manage'];
  for (const role of Object.keys(table) as Role[])
    for (const action of actions) assert.equal(can({ role, active: true }, action), table[role].includes(action), `${role} ${action}`);
  assert.equal(can({ role: 'admin', active: false }, 'read'), false);
  assert.equal(can(undefined, 'read'), false);
  assert.equal(can({ role: 'toString' as Role, active: true }, 'read'), false);
  assert.equal(can({ role: 'admin', active: true }, 'fly' as Action), false);
});
