import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { outcomeOf } from '../audit/registry-finding.ts';
import { parsePersonId, type Person } from '../identity/person.ts';
import { startTestRegistry } from '../registry/registry.fixture.ts';
import { sealed, secretsOf, servers, startVendors } from '../registry/external/vendors.fixture.ts';
import { auditRegistries } from './audit-registries.ts';

const root: Person = { id: parsePersonId('root'), name: 'Root', emails: [], role: 'admin', active: true } as never;

test('what is open, what is closed, what is not told', async () => {
  await using own = await startTestRegistry();
  await using everybody = await startTestRegistry({ open: true });
  await using vendors = await startVendors();
  const entries: unknown[] = [];
  const world = {
    externals: vendors.externals,
    registryAddress: own.host,
    registryName: 'waybill.example',
    identity: { listPeople: async () => [root] },
    ledger: { append: async (entry: unknown) => void entries.push(entry) },
  } as never;
  const audit = async (...names: string[]) => {
    const findings = await auditRegistries(world, root, names, AbortSignal.timeout(30_000));
    return Object.fromEntries(findings.map((finding) => [finding.registry, finding]));
  };
  const basic = sealed(secretsOf.basic);
  await vendors.externals.add({ name: 'plain', server: vendors.host, kind: 'basic' }, basic, basic);
  await vendors.externals.add({ name: 'leak', server: everybody.host, kind: 'basic' }, basic);
  await vendors.externals.add({ name: 'amazon', server: servers.ecr, kind: 'ecr', prefix: 'amazon' }, sealed(secretsOf.ecr));
  vendors.repositories.add('amazon/shop/web');
  vendors.mood.policy = { Statement: [{ Effect: 'Allow', Principal: '*', Action: 'ecr:PutImage' }] };

  const found = await audit();
  assert.equal(found['(own)']?.outcome, 'closed');
  assert.match(JSON.stringify(found['(own)']), /an upload without a credential was refused/);
  // Its pull credential is the one that pushes.
  assert.equal(found['plain']?.outcome, 'open');
  assert.match(JSON.stringify(found['plain']), /the credential that clusters get can push.*no API that tells/);
  assert.match(JSON.stringify(found['leak']), /anybody can push/);
  assert.match(JSON.stringify(found['amazon']), /amazon\/shop\/web: its policy lets push: everybody/);
  assert.match(JSON.stringify(entries), /registry-audit.*leak open/);

  delete vendors.mood.policy;
  const amazon = (await audit('amazon'))['amazon'];
  assert.equal(amazon?.outcome, 'unknown');
  assert.match(JSON.stringify(amazon), /policies of users and roles of the account/);
  await assert.rejects(audit('nobody'), { code: 'NOT_FOUND' });
});

test('nothing that is known is no all-clear', () => {
  assert.equal(outcomeOf([]), 'unknown');
  assert.equal(outcomeOf([{ kind: 'good', text: '' }]), 'closed');
  assert.equal(
    outcomeOf([
      { kind: 'good', text: '' },
      { kind: 'untold', text: '' },
    ]),
    'unknown',
  );
  assert.equal(
    outcomeOf([
      { kind: 'untold', text: '' },
      { kind: 'bad', text: '' },
    ]),
    'open',
  );
});
