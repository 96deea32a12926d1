import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { parse } from 'yaml';
import { endpoints } from '../src/api/endpoints.ts';
import { objectsAt, textAt, textsAt } from '../src/kube/object.ts';
import { cleanUpPlace } from '../scripts/demo/clean-up.ts';
import { must, mustRefuse } from '../scripts/demo/person.ts';
import { useCluster, useNamespace } from './cluster.ts';
import { busybox } from './kit/busybox.ts';
import { companyLogin as credentials, companyRegistry } from './kit/company-registry.ts';
import { lacks, skip } from './kit/needs.ts';
import { deliver, logLines, newRepository, passed } from './kit/repository.ts';
import { openWaybill } from './kit/waybill.ts';

const pipeline = (publish: string, environments: readonly string[]) => `version: 1
defaults: { network: none, timeout: 2m }
stages:
  - { name: lint, on: [change], steps: [{ run: test -x bin/busybox }] }
images:
  - name: box
${publish}
    layers: [{ from: bin, to: /bin }]
    config: { cmd: [/bin/busybox, sleep, "3600"], user: "65532" }
deploy:
${environments.map((name) => `  - { environment: ${name}, manifests: deploy/, images: { box: box } }`).join('\n')}
`;
const manifest = `apiVersion: apps/v1
kind: Deployment
metadata: { name: box }
spec:
  selector: { matchLabels: { app: box } }
  template:
    metadata: { labels: { app: box } }
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: box, image: box, imagePullPolicy: Always }] }
`;

test('an environment is deployed from the registry of the company', { timeout: 280_000 }, async (t) => {
  const shell = await busybox(t);
  if (!shell || (await lacks(t, 'docker-registry', 'podman'))) return;
  const place = await useCluster(t);
  if (!place?.node) return place && skip(t, 'no node that pulls');
  const { cluster } = place;
  const namespace = await useNamespace(t, cluster);
  await using waybill = await openWaybill();
  await using _pods = { [Symbol.asyncDispose]: () => cleanUpPlace({ kind: 'local' }, waybill.data) };
  const { admin, dana, scratch } = waybill;
  await using company = await companyRegistry(scratch);
  const credential = async (name: string) => {
    const file = path.join(scratch, `${name}.json`);
    await writeFile(file, JSON.stringify({ username: name, password: credentials.password }));
    return file;
  };
  const add = async (...more: string[]) =>
    admin.waybill(
      ...`registry add company --server ${company.host} --prefix team --use publish --repository shop --credential`.split(' '),
      await credential(credentials.username),
      ...more,
    );
  const environment = (name: string, ...where: string[]) => admin.waybill('environment', 'add', name, '--registry', 'company', ...where);
  const secretLogins = async () => {
    const secret = await cluster.get({ apiVersion: 'v1', kind: 'Secret', name: 'waybill-pull', namespace });
    const text = Buffer.from(textAt(secret, 'data', '.dockerconfigjson') ?? '', 'base64').toString();
    return (JSON.parse(text) as { auths: Record<string, { username: string }> }).auths;
  };
  const inCluster = ['--kubeconfig', place.kubeconfig, '--namespace', namespace, '--pull-secret-on', 'service-accounts'];

  await t.test('a registry that cannot be pulled from is told when it is named, not at the first release', async () => {
    await mustRefuse(environment('here', '--local'), /there is no external registry company/);
    await must(add());
    await mustRefuse(environment('here', '--local'), /no credential for pulling, and the one that pushes goes to no cluster/);
    await must(admin.waybill('registry', 'remove', 'company'));
    await must(add('--pull-credential', await credential(credentials.reader)));
    await must(environment('here', '--local'));
    await must(environment('prod', ...inCluster));
    await mustRefuse(dana.waybill('environment', 'change', 'prod', '--own-registry'), /role/);
    await mustRefuse(admin.waybill('registry', 'remove', 'company'), /here, prod are deployed from the registry company/);
    await mustRefuse(dana.waybill('registry', 'credential', 'company', '--pull-credential', path.join(scratch, 'reader.json')), /role/);
    await mustRefuse(admin.waybill('registry', 'credential', 'company'), /no credential was given/);
    await must(admin.waybill('registry', 'credential', 'company', '--pull-credential', path.join(scratch, 'reader.json')));
  });

  await t.test('an image that was not copied there, or a place that no policy names, is refused with what to do', async () => {
    await newRepository(waybill, 'shop', { 'bin/busybox': shell, 'waybill.yaml': pipeline('', ['here']), 'deploy/box.yaml': manifest });
    const uncopied = await deliver(waybill, 'shop', { 'a.txt': 'a\n' }, 'a');
    assert.match(uncopied.deploys[0]?.reason ?? '', /has not copied the image box to company/);
    const lines = (await logLines(dana, uncopied.id, 'deploy/here')).join('\n');
    assert.match(`${lines}\n${uncopied.deploys[0]?.reason}`, /not copied the image box to company, from which here is deployed/);
    const denied = await deliver(waybill, 'shop', { 'waybill.yaml': pipeline('    publish: [company]', ['here', 'prod']) }, 'b');
    assert.equal(denied.images[0]?.status, 'passed');
    assert.match(
      denied.deploys[0]?.reason ?? '',
      /which is not allowed here.* when it has copies: \[\{ registry: \S+\/team, naming: path \}\]/s,
    );
  });

  await t.test('podman here and the kubelet there pull the copy, with the credential that is for pulling', async () => {
    const { default: rules } = (await dana.api.call(endpoints.policy)) as { default: object };
    const copies = [{ registry: `${company.host}/team`, naming: 'path' }];
    await writeFile(path.join(waybill.data, 'policy.yaml'), JSON.stringify({ default: { ...rules, copies } }));
    const run = await passed(dana, await deliver(waybill, 'shop', { 'c.txt': 'c\n' }, 'c'));
    const reference = `${company.host}/team/shop/box@${run.images[0]?.digest}`;
    const [pod] = await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labels: 'app=box' });
    const [status] = objectsAt(pod, 'status', 'containerStatuses');
    assert.deepEqual([status?.['ready'], status?.['imageID']], [true, reference]);
    assert.deepEqual(
      objectsAt(pod, 'spec', 'containers').map((each) => each['image']),
      [reference],
    );
    assert.deepEqual(
      objectsAt(pod, 'spec', 'imagePullSecrets').map((each) => each['name']),
      ['waybill-pull'],
      'from its ServiceAccount',
    );
    assert.deepEqual(
      Object.entries(await secretLogins()).map(([host, { username }]) => [host, username]),
      [[company.host, credentials.reader]],
    );
    // The one login that either was given; the registry answers nobody without.
    const given = (await company.log())
      .split('\n')
      .filter(
        (line) => line.includes('response completed') && /team\/shop\/box\/manifests/.test(line) && /response\.status=200/.test(line),
      );
    for (const engine of [/useragent="containerd/, /useragent="?(?:containers|libpod)/])
      assert.ok(
        given.some((line) => engine.test(line)),
        `${engine}: ${given.slice(-5).join('\n')}`,
      );
    assert.match(await must(dana.waybill('trace', 'deployment/box')), new RegExp(run.commit.slice(0, 12)));
  });

  await t.test('a namespace that lost its secret gets it back on request, and the list says until when it holds', async () => {
    await cluster.delete({ apiVersion: 'v1', kind: 'Secret', name: 'waybill-pull', namespace });
    await mustRefuse(dana.waybill('pull-secret', 'renew', 'prod'), /role/);
    await mustRefuse(admin.waybill('pull-secret', 'renew', 'here'), /each pull brings its own/);
    assert.match(await must(admin.waybill('pull-secret', 'renew', 'prod')), /does not expire/);
    assert.deepEqual(Object.keys(await secretLogins()), [company.host]);
    assert.match(await must(dana.waybill('environment', 'list')), /prod +cluster +\S+ +company +service-accounts +does not expire/);
  });

  await t.test('an administrator takes a key of our own registry for an environment', async () => {
    const make = (person: typeof dana, ...more: string[]) =>
      person.waybill('pull-secret', 'create', 'batch', '--environment', 'prod', '--dry-run', ...more);
    await mustRefuse(make(dana, '--repository', 'shop/box'), /role/);
    await mustRefuse(make(admin), /nothing was released to prod yet/);
    await mustRefuse(make(admin, '--server', 'x.example'), /the server makes name and password itself/);
    const said = await must(make(admin, '--repository', 'shop/box', '--days', '2'));
    const secret = parse(said.slice(said.indexOf('apiVersion'))) as { data: Record<string, string> };
    const file = path.join(scratch, 'taken.json');
    await writeFile(file, Buffer.from(secret.data['.dockerconfigjson'] ?? '', 'base64'));
    const inspect = (name: string) =>
      execa('skopeo', ['inspect', '--raw', '--tls-verify=false', '--authfile', file, `docker://${waybill.host}/shop/${name}:r4`], {
        reject: false,
        timeout: 30_000,
      });
    if (!(await lacks(t, 'skopeo'))) {
      const answers = await Promise.all([inspect('box'), inspect('other')]);
      assert.match(answers[0].stderr + answers[0].stdout, /manifest|layers/);
      assert.doesNotMatch(answers[0].stderr, /unauthorized|denied/i);
      assert.match(answers[1].stderr, /denied|unauthorized/i);
    }
    assert.match(await must(admin.waybill('ledger', 'export')), /pull-secret-create/);
  });

  await t.test('back at our own registry and on pods, nothing of it is left on the account', async () => {
    await must(admin.waybill('environment', 'change', 'prod', '--own-registry', '--pull-secret-on', 'pods'));
    const run = await passed(dana, await deliver(waybill, 'shop', { 'waybill.yaml': pipeline('    publish: [company]', ['prod']) }, 'e'));
    const pods = await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labels: 'app=box' });
    const images = pods.flatMap((pod) => objectsAt(pod, 'spec', 'containers').map((each) => each['image']));
    assert.ok(images.includes(`${waybill.host}/shop/box@${run.images[0]?.digest}`), JSON.stringify(images));
    const account = await cluster.get({ apiVersion: 'v1', kind: 'ServiceAccount', name: 'default', namespace });
    assert.deepEqual(objectsAt(account, 'imagePullSecrets'), []);
    assert.equal(textsAt(account, 'metadata', 'annotations')['waybill.dev/pull-secret'], undefined);
    assert.deepEqual(Object.keys(await secretLogins()).sort(), [company.host, waybill.host].sort(), 'what ran from there may start again');
  });

  await t.test('no log, no ledger and no file of the server holds the password', async () => {
    const everything = [...waybill.log, await must(admin.waybill('ledger', 'export'))].join('\n');
    assert.match(everything, /external-pull/);
    for (const name of [credentials.reader, credentials.username])
      for (const form of [credentials.password, Buffer.from(`${name}:${credentials.password}`).toString('base64')]) {
        assert.ok(!everything.includes(form));
        assert.equal((await execa('grep', ['-rlF', form, waybill.data], { reject: false })).stdout, '');
      }
  });
});
