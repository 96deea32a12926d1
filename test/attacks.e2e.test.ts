import assert from 'node:assert/strict';
import { readFile, readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { must, mustRefuse, type Person } from '../scripts/demo/person.ts';
import { endpoints, streams } from '../src/api/endpoints.ts';
import type { Endpoint } from '../src/api/endpoint.ts';
import { deliver, ended, logLines, mergeChange, newRepository, passed, propose } from './kit/repository.ts';
import { openWaybill, type Waybill } from './kit/waybill.ts';

const limit = { timeout: 300_000 };
const sampleId = '7';

const stages = (...lines: string[]) =>
  `version: 1\nstages:\n  - name: lint\n    on: [change]\n    network: none\n    steps:\n${lines.map((line) => `      - run: ${JSON.stringify(line)}\n`).join('')}`;
const image = (base: string) =>
  `images:\n  - name: app\n    base: ${base}\n    network: none\n    layers:\n      - { from: files, to: /files }\n`;

const bearer = (person: Person) => ({ authorization: `Bearer ${person.token.reveal()}` });
const basic = (person: Person) => ({ authorization: `Basic ${Buffer.from(`${person.id}:${person.token.reveal()}`).toString('base64')}` });

async function statusOf(waybill: Waybill, route: string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(`${waybill.url}${route}`, { redirect: 'manual', signal: waybill.signal, ...init });
  await response.body?.cancel();
  return response.status;
}

const addressOf = ({ path: route }: Endpoint) => route.replace(/:\w+/g, sampleId);

async function login(waybill: Waybill, person: Person): Promise<string> {
  const response = await fetch(`${waybill.url}/login`, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ token: person.token.reveal() }),
    signal: waybill.signal,
  });
  return response.headers.get('set-cookie')?.split(';')[0] ?? '';
}

test('attacks on a running server', limit, async (t) => {
  await using waybill = await openWaybill();
  const { admin, dana, rita, signal } = waybill;
  await newRepository(waybill, 'shop', { 'waybill.yaml': stages('true'), 'files/a': 'a\n' });

  await t.test('every endpoint asks who calls before it looks at what it was sent', async () => {
    const table: readonly [string, Endpoint][] = Object.entries(endpoints);
    const cookie = await login(waybill, admin);
    for (const [name, endpoint] of table) {
      const { method, access } = endpoint;
      const as = (headers: Record<string, string>) =>
        statusOf(waybill, addressOf(endpoint), {
          method,
          headers: { 'content-type': 'application/json', ...headers },
          ...(method === 'POST' ? { body: '{' } : {}),
        });
      if (access === 'public') continue;
      assert.equal(await as({}), 401, `${name} by nobody`);
      assert.equal(await as({ authorization: 'Bearer wb_x' }), 401, `${name} with a wrong token`);
      if (method !== 'GET') assert.equal(await as({ cookie }), 401, `${name} by an administrator's cookie`);
      if (access !== 'person') assert.equal(await as(bearer(dana)), 403, `${name} by a developer`);
      if (access === 'admin') assert.equal(await as(bearer(rita)), 403, `${name} by a reviewer`);
    }
    for (const route of [...Object.values(streams).map((each) => each.replace(':id', '1')), '/', '/runs/1', '/changes/1', '/images/x'])
      for (const method of ['GET', 'HEAD'])
        assert.ok([401, 303, 404].includes(await statusOf(waybill, route, { method })), `${method} ${route} by nobody`);
    assert.equal(await statusOf(waybill, '/v2/shop/app/tags/list'), 401);
    assert.equal(await statusOf(waybill, '/git/shop.git/info/refs?service=git-upload-pack'), 401);
  });

  await t.test('malformed addresses are the caller’s mistake, never a failure of the server', async () => {
    const addresses = [
      '/api/v1/runs/abc',
      '/api/v1/runs/abc/log',
      '/api/v1/runs/1/log?name=a&name=b',
      '/api/v1/runs/1/log?name=..%2f..%2f..%2fmaster.key',
      `/api/v1/runs/1/log?name=${'x'.repeat(4_000)}`,
      '/api/v1/runs/99999999999999999999/log',
      '/api/v1/runs/-1',
      '/api/v1/changes/1.5',
      '/api/v1/images/sha256:x/papers',
      '/api/v1/trace?subject=run/999999999',
      '/api/v1/trace?subject=--upload-pack%3dx',
      '/runs/abc',
      '/runs/1?log=a&log=b',
      '/changes/zzz',
      '/images/..%2f..%2fetc',
      '/%00',
      '/%zz',
      '/v2/..%2f..%2fx/tags/list',
      '/registry/token?scope=repository:shop/app:push',
      '/git/..%2fshop.git/info/refs?service=git-upload-pack',
    ];
    for (const address of addresses)
      for (const headers of [bearer(dana), basic(dana)]) {
        const status = await statusOf(waybill, address, { headers });
        assert.ok(status < 500, `${address} → ${status}`);
      }
  });

  await t.test('a session ends with the token that opened it', async () => {
    const eve = await waybill.join('eve', 'developer');
    const cookie = await login(waybill, eve);
    assert.equal(await statusOf(waybill, '/api/v1/me', { headers: { cookie } }), 200);
    const tokens = await admin.api.call(endpoints.listTokens);
    for (const { id } of tokens.filter((token) => token.person === 'eve'))
      await admin.api.call(endpoints.revokeToken, { params: { name: id } });
    assert.equal(await statusOf(waybill, '/api/v1/me', { headers: { cookie } }), 401);
    assert.equal(await statusOf(waybill, '/', { headers: { cookie } }), 401);
  });

  await t.test('the registry’s token service never grants a push, whoever asks', async () => {
    for (const person of [dana, admin]) {
      const asked = await fetch(`${waybill.url}/registry/token?service=x&scope=repository:shop/app:pull,push`, {
        headers: basic(person),
        signal,
      });
      const { token, scope } = (await asked.json()) as { token: string; scope: string };
      assert.doesNotMatch(scope, /push/);
      const upload = (authorization: string) =>
        statusOf(waybill, '/v2/shop/app/blobs/uploads/', { method: 'POST', headers: { authorization } });
      assert.equal(await upload(`Bearer ${token}`), 403);
      assert.equal(await upload(`Bearer ${person.token.reveal()}`), 401);
    }
  });

  await t.test('followers and writers that go away in the middle leave the server as it was', async () => {
    const { id } = await propose(
      waybill,
      'shop',
      { 'waybill.yaml': stages('for i in $(seq 300); do echo line $i; sleep 0.01; done') },
      'long',
    );
    const pid = waybill.pid();
    const { runs } = await dana.api.call(endpoints.showChange, { params: { id } });
    const run = runs[0]?.id ?? 0;
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const gone = new AbortController();
        const follow = fetch(`${waybill.url}/api/v1/runs/${run}/log?follow=1&name=stage/lint/lint`, {
          headers: bearer(dana),
          signal: gone.signal,
        });
        setTimeout(() => gone.abort(), 20 * index);
        await follow.then((response) => response.text()).catch(() => undefined);
      }),
    );
    for (const start of [
      'POST /api/v1/people HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{',
      'GET / HTTP/1.1\r\nhost: x\r\n',
      '\0\0\0\0',
      'POST /git/shop.git/git-receive-pack HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n0',
    ])
      await new Promise<void>((resolve) => {
        const socket = connect(Number(new URL(waybill.url).port), '127.0.0.1', () => {
          socket.write(start);
          setTimeout(() => socket.destroy(), 50);
        });
        socket.on('error', () => undefined).on('close', () => resolve());
      });
    const done = await ended(dana, run, signal);
    assert.equal(done.status, 'passed');
    assert.equal((await logLines(dana, run, 'stage/lint/lint')).filter((line) => line.startsWith('line ')).length, 300);
    assert.equal(waybill.pid(), pid);
  });

  await t.test('what a step prints cannot speak to the terminal of who reads it', async () => {
    const { id } = await propose(waybill, 'shop', { 'waybill.yaml': stages('printf "\\033]0;owned\\007\\033[2Jgone\\n"') }, 'escape');
    const { runs } = await dana.api.call(endpoints.showChange, { params: { id } });
    await ended(dana, runs[0]?.id ?? 0, signal);
    const shown = await must(rita.waybill('runs', 'log', String(runs[0]?.id)));
    assert.match(shown, /gone/);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(shown, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
  });

  await t.test('a developer ends no run, and nobody abandons a change of somebody else', async () => {
    await mustRefuse(dana.waybill('runs', 'cancel', '1'), /role developer/);
    const { id } = await propose(waybill, 'shop', { 'files/b': 'b\n' }, 'mine');
    await mustRefuse(rita.waybill('change', 'abandon', String(id)), /opened by dana/);
  });

  await t.test('the same tree in another repository is tested there again', async () => {
    const files = { 'waybill.yaml': stages('true'), 'files/a': 'a\n' };
    await newRepository(waybill, 'twin', files);
    const mine = await deliver(waybill, 'shop', { 'files/same': 'same\n' }, 'same');
    assert.ok(mine.stages[0]?.executedIn, 'in its own repository it is reused');
    const { id } = await propose(waybill, 'twin', { 'files/same': 'same\n' }, 'same');
    const { runs } = await dana.api.call(endpoints.showChange, { params: { id } });
    const other = await ended(dana, runs[0]?.id ?? 0, signal);
    assert.equal(other.tree, mine.tree);
    assert.equal(other.stages[0]?.executedIn, undefined);
  });

  let untested = '';
  await t.test('an image that no stage has tested gets no summary', async () => {
    const never = `version: 1\nstages:\n  - { name: nightly, on: [schedule], steps: [{ run: "true" }] }\n${image('scratch')}`;
    await newRepository(waybill, 'bare', { 'waybill.yaml': stages('true'), 'files/a': 'a\n' });
    const run = await deliver(waybill, 'bare', { 'waybill.yaml': never }, 'never-tested');
    assert.equal(run.status, 'failed');
    assert.match(run.images[0]?.reason ?? '', /no stage is required/);
    untested = run.images[0]?.reference ?? '';
    assert.match(untested, /@sha256:/);
    await mustRefuse(dana.waybill('verify', untested), /does not have its papers/);
  });

  await t.test('nor does an image that is built upon one without papers', async () => {
    const { id } = await propose(waybill, 'shop', { 'waybill.yaml': stages('true') + image(untested) }, 'upon-it');
    await assert.rejects(mergeChange(waybill, id), /the base .* has no summary that holds/);
    const good = await passed(dana, await deliver(waybill, 'shop', { 'waybill.yaml': stages('true') + image('scratch') }, 'upon-nothing'));
    await passed(
      dana,
      await deliver(waybill, 'shop', { 'waybill.yaml': stages('true') + image(good.images[0]?.reference ?? '') }, 'upon-the-good-one'),
    );
  });

  await t.test('a base in another registry is refused, and nothing is asked there', async () => {
    const { id } = await propose(waybill, 'shop', { 'waybill.yaml': stages('true') + image('169.254.169.254/latest/meta:data') }, 'ssrf');
    await assert.rejects(mergeChange(waybill, id), /is in another registry/);
  });

  await t.test('a merged manifest with a foreign image is denied before anything is touched', async () => {
    await must(admin.waybill('environment', 'add', 'demo', '--local'));
    const pod = (name: string, used: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: {
          containers: [
            { name: 'a', image: 'app' },
            { name: 'b', image: used },
          ],
        },
      });
    const file = `${stages('true')}${image('scratch')}deploy:\n  - { environment: demo, manifests: deploy, images: { app: app } }\n`;
    for (const [topic, used, reason] of [
      ['registry', 'docker.io/library/nginx:1.27', /not allowed here/],
      ['papers', untested, /no papers/],
      ['tag', untested.replace(/@.*/, ':r1'), /digest/],
    ] as const) {
      const run = await deliver(waybill, 'shop', { 'waybill.yaml': file, 'deploy/pod.json': pod('p', used) }, `foreign-${topic}`);
      assert.equal(run.deploys[0]?.status, 'failed', run.reason);
      assert.match(run.deploys[0]?.reason ?? '', reason);
    }
  });

  await t.test('a kubeconfig that cannot be read is told without a word of it', async () => {
    const marker = 'kubeconfig-marker-0123456789';
    const kubeconfig = `users:\n- user: { token: ${marker}\n`;
    await assert.rejects(
      admin.api.call(endpoints.addEnvironment, { body: { name: 'far', kind: 'cluster', namespace: 'far', kubeconfig } }),
      (error: Error) => /kubeconfig cannot be read/.test(error.message) && !error.message.includes(marker),
    );
    assert.ok(!(await dana.api.call(endpoints.listEnvironments)).some((environment) => environment.name === 'far'));
    await noFileHolds(waybill, [marker]);
  });

  await t.test('no token is in any file of the data directory, and nobody else may read what is in it', async () => {
    await noFileHolds(
      waybill,
      [admin, dana, rita].map((person) => person.token.reveal()),
    );
    assert.equal((await stat(waybill.data)).mode & 0o077, 0);
    for (const socket of await readdir(path.join(waybill.data, 'run')))
      assert.equal((await stat(path.join(waybill.data, 'run', socket))).mode & 0o777, 0o600, socket);
    assert.deepEqual(
      waybill.log.filter((line) => /wb_[\w-]{40}/.test(line)),
      [],
    );
    assert.deepEqual(
      waybill.log.filter((line) => line.includes('"level":50')),
      [],
    );
  });

  await t.test('approving while a newer version comes in, again and again, never merges what was not approved', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { id } = await propose(waybill, 'shop', { [`files/race-${round}`]: 'one\n', 'waybill.yaml': stages('true') }, `race-${round}`);
      const folder = path.join(dana.folder, 'shop');
      await must(dana.git(folder, 'commit', '-q', '--allow-empty', '--amend', '-m', `race-${round} again`));
      const merging = mergeChange(waybill, id).catch(() => undefined);
      const pushing = dana.git(folder, 'push', '-o', `topic=race-${round}`, 'origin', 'HEAD:refs/for/main');
      await Promise.all([merging, pushing]);
      const change = await dana.api.call(endpoints.showChange, { params: { id } });
      if (change.state !== 'merged') continue;
      const newest = change.versions.at(-1);
      const counts = change.reviews.filter((review) => review.verdict === 'approve' && review.version === newest?.version);
      assert.ok(counts.length > 0, `round ${round}`);
    }
  });
});

async function noFileHolds(waybill: Waybill, secrets: readonly string[]): Promise<void> {
  const entries = await readdir(waybill.data, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((each) => each.isFile())) {
    const file = path.join(entry.parentPath, entry.name);
    const content = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return Buffer.alloc(0);
      throw error;
    });
    for (const secret of secrets) assert.ok(!content.includes(secret), `${file} holds a secret`);
  }
}
