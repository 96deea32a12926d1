import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fileURLToPath } from 'node:url';
import { WaybillError } from '../../kernel/error.ts';
import type { PersonId } from '../../kernel/ids.ts';
import { fixture, openParts } from './fixture.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

type Fixture = Awaited<ReturnType<typeof fixture>>;

function ask(
  t: Fixture,
  path: string,
  options: { method?: string; headers?: Record<string, string>; user?: string; password?: string; body?: string } = {},
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  const user = options.user ?? 'dev';
  const password = options.password ?? t.tokens.get(user)?.reveal() ?? '';
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return new Promise((resolve, reject) => {
    const { port } = t;
    const method = options.method ?? 'GET';
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers: { authorization, ...options.headers } }, (response) => {
      let body = '';
      response.setEncoding('latin1').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    request.on('error', reject);
    request.end(options.body);
  });
}

const refs = '/git/shop.git/info/refs?service=git-upload-pack';

test('who is not known by name and token is asked to log in, and learns nothing', async (t0) => {
  await using t = await fixture();
  const { token: expired } = await t.identity.mintToken({ id: 'dev' as PersonId }, { label: 'x', expiresInDays: 1e-9 });
  await sleep(5);
  await t.identity.addPerson({ id: 'gone', emails: [], role: 'admin' });
  const { token: gone } = await t.identity.mintToken({ id: 'gone' as PersonId }, { label: 'x' });
  await t.identity.removePerson('gone' as PersonId);
  const dev = t.tokens.get('dev')?.reveal() ?? '';
  for (const [what, options] of [
    ['no header', { headers: { authorization: '' } }],
    ['another scheme', { headers: { authorization: `Bearer ${dev}` } }],
    ['not base64', { headers: { authorization: 'Basic %%%' } }],
    ['no colon', { headers: { authorization: `Basic ${Buffer.from('dev').toString('base64')}` } }],
    ['a wrong token', { password: `wb_${'x'.repeat(43)}` }],
    ['somebody else’s token', { user: 'ada', password: dev }],
    ['an expired token', { password: expired.reveal() }],
    ['a removed person', { user: 'gone', password: gone.reveal() }],
    ['an empty password', { password: '' }],
  ] as const)
    await t0.test(what, async () => {
      for (const path of [refs, '/git/none.git/info/refs?service=git-upload-pack', '/git/../x']) {
        const { status, headers, body } = await ask(t, path, options);
        assert.equal(status, 401);
        assert.match(headers['www-authenticate'] ?? '', /^Basic realm="Waybill"/);
        assert.ok(!body.includes('shop'));
      }
    });
  assert.equal((await ask(t, refs)).status, 200);
});

test('three addresses are served and no other', async (t0) => {
  await using t = await fixture();
  await t.begin();
  const upload = { 'content-type': 'application/x-git-upload-pack-request' };
  for (const [status, path, options] of [
    [200, refs, {}],
    [404, '/git/none.git/info/refs?service=git-upload-pack', {}],
    [404, '/git/shop/info/refs?service=git-upload-pack', {}],
    [404, '/git/../shop.git/info/refs?service=git-upload-pack', {}],
    [404, '/git/shop.git/../shop.git/info/refs?service=git-upload-pack', {}],
    [404, '/git/%2e%2e/shop.git/info/refs?service=git-upload-pack', {}],
    [404, '/git/..%2fshop.git/info/refs?service=git-upload-pack', {}],
    [404, '/git/.removed/shop.git/info/refs?service=git-upload-pack', {}],
    [404, '/git/.new-00.git/info/refs?service=git-upload-pack', {}],
    [404, '/git/SHOP.git/info/refs?service=git-upload-pack', {}],
    [404, '/git//shop.git/info/refs?service=git-upload-pack', {}],
    [404, '//git/shop.git/info/refs?service=git-upload-pack', {}],
    [404, '/git/shop.git/HEAD', {}],
    [404, '/git/shop.git/config', {}],
    [404, '/git/shop.git/objects/info/packs', {}],
    [404, '/git/shop.git/hooks/proc-receive', {}],
    [404, '/git/shop.git/git-upload-archive', { method: 'POST' }],
    [403, '/git/shop.git/info/refs', {}],
    [403, '/git/shop.git/info/refs?service=git-upload-archive', {}],
    [403, '/git/shop.git/info/refs?service=git-upload-pack&service=git-receive-pack', {}],
    [403, refs, { method: 'POST' }],
    [400, '/git/shop.git/git-upload-pack', {}],
    [400, '/git/shop.git/git-upload-pack', { method: 'POST' }],
    [400, '/git/shop.git/git-upload-pack', { method: 'POST', headers: { 'content-type': 'application/x-git-receive-pack-request' } }],
    [400, '/git/shop.git/git-upload-pack', { method: 'POST', headers: { ...upload, 'content-encoding': 'br' } }],
  ] as const)
    await t0.test(`${status} ${path} ${JSON.stringify(options)}`, async () => {
      assert.equal((await ask(t, path, options)).status, status);
    });
  await t0.test('a body that says it is too large', async () => {
    const headers = { 'content-type': 'application/x-git-receive-pack-request', 'content-length': String(3 * 1024 ** 3) };
    const status = await new Promise((resolve) => {
      const authorization = `Basic ${Buffer.from(`dev:${t.tokens.get('dev')?.reveal()}`).toString('base64')}`;
      const path = '/git/shop.git/git-receive-pack';
      const request = httpRequest({ host: '127.0.0.1', port: t.port, method: 'POST', path, headers: { ...headers, authorization } });
      request.on('response', (response) => resolve(response.statusCode)).on('error', () => undefined);
      request.flushHeaders();
    });
    assert.equal(status, 413);
  });
  await t0.test('an empty body, a body of garbage, a gzip bomb that is none', async () => {
    for (const body of ['', 'garbage', '0000', 'ffff'])
      for (const service of ['git-upload-pack', 'git-receive-pack'])
        for (const encoding of [{}, { 'content-encoding': 'gzip' }]) {
          const headers = { 'content-type': `application/x-${service}-request`, ...encoding };
          const { status } = await ask(t, `/git/shop.git/${service}`, { method: 'POST', headers, body }).catch(() => ({ status: 0 }));
          assert.ok([0, 200, 400, 500].includes(status), `${service} ${body}: ${status}`);
        }
  });
});

test('when the server does not answer the hook, nothing is accepted', async () => {
  await using t = await fixture();
  const base = await t.begin();
  const folder = await t.workingCopy('dev');
  await t.commit(folder, 'dev', 'a', '1');
  await rm(join(t.root, 'hook.sock'));
  const result = await t.propose(folder, 'dev');
  assert.notEqual(result.code, 0);
  assert.match(result.out, /Waybill does not answer/);
  assert.equal((await t.current.source.listChanges()).length, 0);
  assert.equal(await t.current.source.tip('shop'), base);
});

test('a push past the server is refused by the repository itself', async (t0) => {
  await using t = await fixture();
  const base = await t.begin();
  const folder = await t.workingCopy('dev');
  await t.commit(folder, 'dev', 'a', '1');
  const hook = join(t.bare, 'hooks', 'proc-receive');
  for (const [what, prepare] of [
    ['with the hook', async () => undefined],
    ['with a hook that cannot be executed', () => chmod(hook, 0o644)],
    ['without a hook', () => rm(hook)],
  ] as const)
    await t0.test(what, async () => {
      await prepare();
      for (const ref of ['refs/heads/main', 'refs/heads/topic', 'refs/for/main']) {
        assert.notEqual((await t.git(folder, 'dev', 'push', t.bare, `HEAD:${ref}`)).code, 0);
        assert.equal((await t.git(t.bare, 'dev', 'show-ref')).out.trim(), `${base} refs/heads/main`);
      }
    });
  await t0.test('a lost hook is back for the next push over HTTP', async () => {
    assert.equal((await t.propose(folder, 'dev')).id, 1);
  });
});

test('a hook without a push of ours, or with a used one, is told no', async (t0) => {
  await using t = await fixture();
  const relay = fileURLToPath(new URL('./hook.mjs', import.meta.url));
  const run = (hook: string, push: string) =>
    new Promise<{ code: unknown; out: string }>((resolve) => {
      const env = { WAYBILL_HOOK_SOCKET: join(t.root, 'hook.sock'), WAYBILL_PUSH: push };
      const child = execFile(process.execPath, [relay, hook], { env }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, out: stdout + stderr }),
      );
      child.stdin?.end('00000000');
    });
  for (const [hook, push] of [
    ['proc-receive', ''],
    ['proc-receive', '0'.repeat(64)],
    ['proc-receive', '__proto__'],
    ['pre-receive', 'x'],
  ] as const)
    await t0.test(`${hook} ${push}`, async () => {
      const { code, out } = await run(hook, push);
      assert.equal(code, 1);
      assert.match(out, /did not come through the server/);
    });
  for (const [what, bytes] of [
    ['no line', 'x'.repeat(5000)],
    ['no JSON', 'hello\n'],
    ['null', 'null\n'],
    ['another shape', '{"hook":1}\n'],
    ['nothing', ''],
  ] as const)
    await t0.test(`the socket hears ${what}`, async () => {
      const answer = await new Promise<Buffer>((resolve, reject) => {
        const chunks: Buffer[] = [];
        const socket = connect(join(t.root, 'hook.sock'), () => socket.end(bytes));
        socket.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
        socket.on('close', () => resolve(Buffer.concat(chunks)));
      });
      assert.ok(answer.toString('latin1').endsWith('x\0\0\0\u00011'), 'exit code 1');
    });
});

/** What is in use, without what only waits to be collected. `external` counts array buffers too. */
function liveBytes(): number {
  collectGarbage();
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

test('a large push streams through, and a client that goes away leaves no process', async (t0) => {
  await using t = await fixture();
  await t.begin();
  const folder = await t.workingCopy('dev');
  await writeFile(join(folder, 'large'), randomBytes(100 * 1024 * 1024));
  await t.must(folder, 'dev', 'config', 'core.compression', '0');
  await t.must(folder, 'dev', 'config', 'core.bigFileThreshold', '1m');
  await t.commit(folder, 'dev', 'small', '1');
  await t0.test('100 MB', async () => {
    let peak = 0;
    const before = liveBytes();
    const timer = setInterval(() => (peak = Math.max(peak, liveBytes())), 20);
    const { id, out } = await t.propose(folder, 'dev');
    clearInterval(timer);
    assert.equal(id, 1, out);
    const growth = peak - before;
    assert.ok(growth < 50 * 1024 * 1024, `grew by ${growth} bytes`);
  });
  await t0.test('half a push', async (t1) => {
    if (process.platform !== 'linux') {
      // oxlint-disable-next-line no-console
      console.warn('SKIPPED: children are counted in /proc');
      t1.skip('needs /proc');
      return;
    }
    const authorization = `Basic ${Buffer.from(`dev:${t.tokens.get('dev')?.reveal()}`).toString('base64')}`;
    const headers = { authorization, 'content-type': 'application/x-git-receive-pack-request' };
    const path = '/git/shop.git/git-receive-pack';
    const request = httpRequest({ host: '127.0.0.1', port: t.port, method: 'POST', path, headers });
    request.on('error', () => undefined);
    request.write('00a0');
    const until = async (want: boolean) => {
      for (let n = 0; n < 200; n += 1) {
        if ((await children()).length > 0 === want) return true;
        await sleep(20);
      }
      return false;
    };
    assert.ok(await until(true), 'git-http-backend was started');
    request.destroy();
    assert.ok(await until(false), 'git-http-backend is gone');
  });
});

test('a second server on the same socket is refused, a stale socket is not', async () => {
  await using t = await fixture();
  await assert.rejects(openParts(t.root), (error) => error instanceof WaybillError && error.code === 'CONFLICT');
  await t.current.source[Symbol.asyncDispose]();
  await writeFile(join(t.root, 'hook.sock'), '');
  const { source, store } = await openParts(t.root);
  await source[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await assert.rejects(openParts(t.root, { hookSocket: join(t.root, 'x'.repeat(100)) }), /more than 100 bytes/);
});

test('git that is missing or old is named', async () => {
  await using t = await fixture();
  const empty = join(t.root, 'work');
  await assert.rejects(openParts(t.root, { path: empty }), /A program is missing/);
  await writeFile(join(t.root, 'git'), '#!/bin/sh\necho git version 2.37.9\n', { mode: 0o755 });
  await assert.rejects(openParts(t.root, { path: t.root }), /git 2\.38 or newer/);
});

test('a removed repository is moved aside, and one of the same name has no part in its past', async () => {
  await using t = await fixture();
  await t.begin();
  const { source } = t.current;
  const folder = await t.workingCopy('dev');
  await t.commit(folder, 'dev', 'a', '1');
  const { id } = await t.propose(folder, 'dev');
  const tip = await source.tip('shop');
  await source.removeRepository('shop');
  assert.equal((await ask(t, refs)).status, 404);
  assert.equal((await readdir(join(t.root, 'repositories', '.removed'))).length, 1);
  await source.createRepository({ name: 'shop', protectedBranch: 'trunk' });
  assert.equal(await source.tip('shop'), undefined);
  assert.deepEqual(await source.listChanges({ repository: 'shop' }), []);
  assert.ok(tip && !(await source.isInitialCommit('shop', tip)));
  assert.equal((await source.getChange(id)).title, 'Write a', 'history stays');
  await assert.rejects(source.createRepository({ name: 'shop' }), /there is a repository shop already/);
  for (const name of ['', '..', 'a/b', 'Shop', '.removed', 'a'.repeat(64), 'x.git', '-x'])
    await assert.rejects(source.createRepository({ name }), /Invalid input/);
  for (const protectedBranch of ['', '-x', 'a..b', 'a b', 'x.lock', '/x', 'x/', '@{u}', 'a\n'])
    await assert.rejects(source.createRepository({ name: 'other', protectedBranch }), /Invalid input/);
});

/** Pids of http-backends that this process started. */
async function children(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((each) => /^\d+$/.test(each))) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const [, name, ppid] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
    if (name?.startsWith('git-http') && Number(ppid) === process.pid) found.push(pid);
  }
  return found;
}
