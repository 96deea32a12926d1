import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../kernel/digest.ts';
import { killProgram } from './kill-program.fixture.ts';
import { startTestRegistry } from './registry.fixture.ts';
import { changeEverything, unfinished, type Acknowledged } from './workload.fixture.ts';

type Line = Acknowledged | { readonly killed: string } | { readonly calls: number };

/** Runs the program until it ends itself. */
async function runUntil(folder: string, killAt: number): Promise<Line[]> {
  const output = await new Promise<string>((resolve, reject) => {
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', killProgram, folder, String(killAt)];
    execFile(process.execPath, args, { timeout: 60_000 }, (error, stdout, stderr) => {
      if (error && error.signal !== 'SIGKILL') reject(new Error(stderr, { cause: error }));
      else resolve(stdout);
    });
  });
  return output
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-kill-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Kills at one point, and looks at what is left. @throws AssertionError that names the point */
export async function killAndLook(killAt: number): Promise<void> {
  await inFolder(async (folder) => {
    const lines = await runUntil(folder, killAt);
    const killed = lines.flatMap((line) => ('killed' in line ? [line.killed] : []));
    assert.equal(killed.length, 1, `nothing was killed at ${killAt}`);
    const where = `killed at ${killAt}: ${killed[0] ?? ''}`;
    const promised = new Map(lines.flatMap((line) => ('what' in line ? [[line.path, line] as const] : [])));

    await using server = await startTestRegistry({ folder, deletion: true });
    const { token } = await server.registry.mintPush({ repository: 'shop/shop', run: 2, ttlMs: 60_000 });
    const call = (path: string, init: RequestInit = {}) =>
      fetch(server.url + path, { ...init, headers: { authorization: `Bearer ${token.reveal()}` } });

    const look = async () => {
      const report = await server.registry.check({ deep: true, quarantine: false, signal: AbortSignal.timeout(60_000) });
      assert.deepEqual(report.damages, [], where);
    };
    await look();
    for (const promise of promised.values()) await checkPromise(promise, call, where);
    const names = await readdir(join(folder, 'registry', 'uploads'));
    for (const name of names) assert.ok(names.includes(name.endsWith('.json') ? name.slice(0, -5) : `${name}.json`), `${where}: ${name}`);
    // Whoever did it does it again, as a run or an import does that was cut off.
    await changeEverything(server, () => undefined);
    await look();
  });
}

type Ask = (path: string, init?: RequestInit) => Promise<Response>;

async function checkPromise(promise: Acknowledged, call: Ask, where: string): Promise<void> {
  const why = `${where}; ${JSON.stringify(promise)}`;
  if (promise.what === 'upload') {
    if (promise.bytes === 0) return;
    const answer = await call(promise.path);
    assert.equal(answer.status, 204, why);
    const have = Number(/^0-(\d+)$/.exec(answer.headers.get('range') ?? '')?.[1]) + 1;
    assert.ok(have >= promise.bytes, `${why}: ${have}`);
    if (promise.bytes !== unfinished.length) return;
    assert.equal(
      (await call(`${promise.path}?digest=${digestOf(unfinished)}`, { method: 'PUT' })).status,
      have === promise.bytes ? 201 : 400,
      why,
    );
    return;
  }
  const answer = await call(promise.path);
  if (promise.what === 'referrer') {
    assert.match(await answer.text(), new RegExp(promise.digest), why);
    return;
  }
  assert.equal(answer.status, promise.there ? 200 : 404, why);
  const body = Buffer.from(await answer.arrayBuffer());
  if (promise.there) assert.equal(digestOf(body), answer.headers.get('docker-content-digest'), why);
}

/** How many points there are. */
export async function countPoints(): Promise<number> {
  return await inFolder(async (folder) => (await runUntil(folder, 0)).flatMap((line) => ('calls' in line ? [line.calls] : []))[0] ?? 0);
}
