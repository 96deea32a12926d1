import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { bundleMediaType } from '../src/evidence/bundle.ts';
import { newSigner } from '../src/evidence/testing/shop.ts';
import { vsaType } from '../src/evidence/statements/vsa.ts';
import { endpoints } from '../src/api/endpoints.ts';
import { hexOf, parseDigest } from '../src/kernel/digest.ts';
import { Secret } from '../src/kernel/secret.ts';
import { connectRegistry } from '../src/oci/client.ts';
import { must, mustRefuse } from '../scripts/demo/person.ts';
import { findCosign } from './kit/cosign.ts';
import { companyRegistry, password, username } from './kit/docker-registry.ts';
import { lacks } from './kit/needs.ts';
import { deliver, logLines, newRepository, passed } from './kit/repository.ts';
import { openWaybill } from './kit/waybill.ts';

const pipeline = `version: 1
defaults: { network: none, timeout: 2m }
stages:
  - { name: lint, on: [change], steps: [{ run: test -f README.md }] }
images:
  - name: web
    publish: [company]
    layers: [{ from: README.md, to: /README.md }]
`;

test('an image is published to the registry of the company with its papers', { timeout: 180_000 }, async (t) => {
  if (await lacks(t, 'docker-registry')) return;
  await using waybill = await openWaybill();
  const { admin, dana, scratch } = waybill;
  await using company = await companyRegistry(waybill.scratch);
  const credential = path.join(scratch, 'credential.json');
  await writeFile(credential, JSON.stringify({ username, password }));
  const add = (...more: string[]) =>
    admin.waybill('registry', 'add', 'company', '--server', company.host, '--prefix', 'team', '--credential', credential, ...more);

  await newRepository(waybill, 'shop', { 'README.md': 'one\n', 'waybill.yaml': pipeline });
  const unknown = await deliver(waybill, 'shop', { 'README.md': 'two\n' }, 'two');
  assert.equal(unknown.status, 'failed');
  assert.match(unknown.images[0]?.reason ?? '', /there is no such registry/);

  await mustRefuse(dana.waybill('registry', 'add', 'mine', '--server', company.host, '--credential', credential), /role/);
  await must(add('--use', 'import'));
  const forbidden = await deliver(waybill, 'shop', { 'README.md': 'three\n' }, 'three');
  assert.match(forbidden.images[0]?.reason ?? '', /its record does not allow it/);
  await must(admin.waybill('registry', 'remove', 'company'));
  await must(add('--use', 'publish', '--repository', 'shop'));
  assert.match(
    await must(admin.waybill('registry', 'check', 'company')),
    /push +(allowed|there is no such repository yet)[\s\S]*papers hang at the tag/,
  );

  const run = await passed(dana, await deliver(waybill, 'shop', { 'README.md': 'four\n' }, 'four'));
  const digest = parseDigest(run.images[0]?.digest ?? '');
  const reference = `${company.host}/team/shop/web@${digest}`;
  assert.deepEqual(run.images[0]?.published, [reference]);
  assert.match(await must(dana.waybill('runs', 'show', String(run.id))), new RegExp(`published ${reference}`));

  using client = connectRegistry({ registry: company.host, plainHttp: true, auth: { username, password: new Secret(password) } });
  assert.equal((await client.resolve('team/shop/web', `r${run.id}`))?.digest, digest);
  const papers = await client.listReferrers('team/shop/web', digest, { artifactType: bundleMediaType });
  assert.equal(papers.length, run.papers.filter((paper) => paper.subject === digest).length);
  for (const end of ['sig', 'att']) assert.ok(await client.resolve('team/shop/web', `sha256-${hexOf(digest)}.${end}`));

  await t.test('no log, no journal, no ledger and no file of the server holds the password', async () => {
    const lines = [...(await logLines(dana, run.id, 'image/web')), ...waybill.log, JSON.stringify(run)];
    assert.ok(lines.some((line) => line.includes('publishing to company')));
    const everything = [...lines, await must(admin.waybill('ledger', 'export'))].join('\n');
    assert.match(everything, /external-push/);
    for (const form of [password, Buffer.from(`${username}:${password}`).toString('base64')]) assert.ok(!everything.includes(form));
  });

  await t.test('the audit tells what is closed, what is not known, and whom it was asked by', async () => {
    const all = await must(admin.waybill('audit', 'registry'));
    assert.match(all, /\(own\)[^\n]*nobody but the pipeline can push[\s\S]*company[^\n]*who else can push is not known/);
    assert.equal(all.match(/an upload without a credential was refused/g)?.length, 2);
    await mustRefuse(dana.waybill('audit', 'registry'), /role/);
    assert.match(await must(admin.waybill('ledger', 'export')), /registry-audit/);
  });

  await t.test('the gate takes the copy where the policy names the place, and no other repository there', async () => {
    const file = path.join(scratch, 'pod.json');
    const policy = path.join(scratch, 'policy.json');
    const admit = async (image: string) => {
      await writeFile(
        file,
        JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: { containers: [{ name: 'web', image }] } }),
      );
      return dana.waybill('admit', '-f', file, '--policy', policy);
    };
    const { default: rules } = (await dana.api.call(endpoints.policy)) as { default: object };
    await writeFile(policy, JSON.stringify({ default: rules }));
    await mustRefuse(admit(reference), /which is not allowed here/);
    await writeFile(policy, JSON.stringify({ default: { ...rules, copies: [{ registry: `${company.host}/team`, naming: 'path' }] } }));
    await must(admit(reference));
    await mustRefuse(admit(`${company.host}/team/shop/other@${digest}`), /has papers for the repository shop\/web/);
    await mustRefuse(admit(`${company.host}/shop/web@${digest}`), /which is not allowed here/);
  });

  for (const version of [2, 3] as const)
    await t.test(`cosign ${version} accepts the copy's papers there`, async (t) => {
      const cosign = await findCosign(t, version, { host: company.host, person: { ...dana, id: username, token: new Secret(password) } });
      if (!cosign) return;
      const key = path.join(scratch, 'papers.pem');
      const { papers: ring } = (await dana.api.call(endpoints.keys)) as { papers: { keys: { publicKey: string }[] } };
      await writeFile(key, ring.keys[0]?.publicKey ?? '');
      const flags = ['--insecure-ignore-tlog=true', '--allow-http-registry=true'];
      await must(cosign.run('verify', '--key', key, ...flags, reference));
      await must(cosign.run('verify-attestation', '--key', key, '--type', vsaType, ...flags, reference));
      const strange = path.join(scratch, 'strange.pem');
      await writeFile(strange, newSigner().key.publicKey);
      await mustRefuse(cosign.run('verify', '--key', strange, ...flags, reference), /signature|no matching/i);
    });
});
