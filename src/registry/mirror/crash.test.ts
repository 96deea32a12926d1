import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { digestOf } from '../../kernel/digest.ts';
import { people } from '../registry.fixture.ts';
import { startUpstream } from './mirror.fixture.ts';

const fixture = new URL('./mirror.fixture.ts', import.meta.url).href;
const program = `
  import { startMirroring } from ${JSON.stringify(fixture)};
  const registry = await startMirroring({ host: process.argv[2] }, { folder: process.argv[1] });
  console.log(registry.url);
`;

/** A registry with a mirror in a process of its own, which is killed when it is disposed. */
async function mirroringProcess(folder: string, upstream: string, wrapper: readonly string[] = []) {
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath, '--input-type=module', '-e', program, folder, upstream];
  const running = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => running.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(running.stdout).once('line', resolve);
    running.once('exit', () => reject(new Error('the registry did not start')));
  });
  const authorization = `Basic ${Buffer.from(`anna:${people.anna}`).toString('base64')}`;
  return {
    get: async (path: string) => await fetch(`${url}/v2/mirror/up/${path}`, { headers: { authorization } }),
    async [Symbol.asyncDispose]() {
      running.kill('SIGKILL');
      await exited;
    },
  };
}

async function scratch(): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-mirror-'));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** The whole body, or undefined when it broke off. */
async function body(response: Response): Promise<Buffer | undefined> {
  try {
    return Buffer.from(await response.arrayBuffer());
  } catch {
    return undefined;
  }
}

test('kill -9 while a blob comes: what was whole is there afterwards, the rest is nowhere and is fetched anew', async () => {
  await using upstream = await startUpstream();
  await using place = await scratch();
  const [whole, half] = [randomBytes(500_000), randomBytes(2_000_000)];
  upstream.addImage('base', 'v1', [whole, half]);
  const begun = Promise.withResolvers<ServerResponse>();
  upstream.script = (request, response) => {
    if (!request.url?.includes(digestOf(half))) return false;
    response.writeHead(200, { 'content-length': half.length }).write(half.subarray(0, 1_500_000));
    begun.resolve(response);
    return true;
  };
  {
    await using server = await mirroringProcess(place.folder, upstream.host);
    assert.equal((await server.get('base/manifests/v1')).status, 200);
    assert.deepEqual(await body(await server.get(`base/blobs/${digestOf(whole)}`)), whole);
    const coming = await server.get(`base/blobs/${digestOf(half)}`);
    await coming.body?.getReader().read();
    await begun.promise;
  }
  assert.equal((await readdir(join(place.folder, 'mirror', 'uploads'))).length, 1);
  upstream.script = undefined;
  const asked = upstream.asked.length;
  await using server = await mirroringProcess(place.folder, upstream.host);
  assert.deepEqual(await readdir(join(place.folder, 'mirror', 'uploads')), []);
  assert.deepEqual(await body(await server.get(`base/blobs/${digestOf(whole)}`)), whole);
  assert.equal((await server.get('base/manifests/v1')).status, 200);
  assert.equal(upstream.asked.length, asked);
  assert.deepEqual(await body(await server.get(`base/blobs/${digestOf(half)}`)), half);
});

test('a full disk: nothing half is kept or given whole, what is there is served, and smaller things still come', async (t) => {
  await using upstream = await startUpstream();
  await using place = await scratch();
  const [fits, large, small] = [randomBytes(2_000_000), randomBytes(12_000_000), randomBytes(300_000)];
  upstream.addImage('base', 'v1', [fits, large, small]);
  const script = 'mount -t tmpfs -o size=8m none "$0" && exec "$@"';
  let server: Awaited<ReturnType<typeof mirroringProcess>>;
  try {
    const wrapper = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, place.folder];
    server = await mirroringProcess(place.folder, upstream.host, wrapper);
  } catch {
    // oxlint-disable-next-line no-console -- a skipped test is said aloud
    console.warn('SKIPPED: a full disk under the cache (no small file system can be mounted here)');
    return t.skip('no small file system can be mounted here');
  }
  await using _ended = server;
  assert.deepEqual(await body(await server.get(`base/blobs/${digestOf(fits)}`)), fits);
  for (let tries = 0; tries < 2; tries++) {
    const refused = await server.get(`base/blobs/${digestOf(large)}`);
    if (refused.status === 200) assert.equal(await body(refused), undefined);
    else assert.equal(refused.status, 507);
  }
  assert.deepEqual(await body(await server.get(`base/blobs/${digestOf(small)}`)), small);
  assert.deepEqual(await body(await server.get(`base/blobs/${digestOf(fits)}`)), fits);
  assert.equal(upstream.asked.filter((each) => each.includes(digestOf(fits))).length, 1);
});
