/**
 * Layers: a tree like node_modules becomes an image in a layout, by Waybill and by buildah, from the same files, in turns, in the same run.
 * Cold, with nothing changed, as a fresh copy of the same files, with one package changed; as zstd, which is Waybill's default, and as gzip,
 * which is buildah's. buildah also with its own cache (`build --layers`), nothing changed.
 * Prints medians, ranges and ratios of medians; asserts nothing but that the digests of equal builds are equal. Neither side syncs to the disk.
 */
import { randomUUID } from 'node:crypto';
import { appendFile, cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import type { BuildContext } from '../src/image/layers/build-context.ts';
import { buildImage } from '../src/image/layers/build-image.ts';

/** Real files: this project's own dependencies, without Node's binary, side by side until there are enough. */
async function generate(folder: string): Promise<{ files: number; bytes: number }> {
  const own = join(import.meta.dirname, '../node_modules');
  let files = 0;
  let bytes = 0;
  for (let copy = 0; files < 20_000 || bytes < 150e6; copy++) {
    const to = join(folder, 'node_modules', `part-${copy}`);
    await cp(own, to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !/node_modules\/(\.bin|node-[a-z]+-)/.test(path.slice(own.length - 12)),
    });
    for (const entry of await readdir(to, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      files++;
      bytes += (await stat(join(entry.parentPath, entry.name))).size;
    }
  }
  return { files, bytes };
}

async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { seconds: (performance.now() - start) / 1000, value };
}

async function waybill(tree: string, out: string, compression: 'zstd' | 'gzip', cache?: string): Promise<string> {
  const context: BuildContext = {
    source: () => Promise.reject(new Error('every layer of this bench comes from a folder')),
    sandbox: async () => ({ folder: tree, async [Symbol.asyncDispose]() {} }),
    base: () => Promise.reject(new Error('this bench has no base')),
    created: new Date('2026-01-01T00:00:00Z'),
    annotations: {},
    out,
    platform: { os: 'linux', architecture: 'amd64' },
    signal: AbortSignal.timeout(600_000),
    onProgress() {},
    ...(cache !== undefined && { cache }),
  };
  const layers = [{ from: 'node_modules', to: '/app/node_modules', after: ['npm ci'] }];
  const image = { name: 'bench', base: 'scratch', layers, config: {}, network: 'none', timeoutMs: 600_000, compression } as const;
  return (await buildImage(image, context)).digest;
}

async function buildah(tree: string, home: string): Promise<void> {
  const run = async (...args: readonly string[]) =>
    (await execa('buildah', ['--root', join(home, 'root'), '--runroot', join(home, 'run'), ...args], { timeout: 600_000 })).stdout.trim();
  await mkdir(home);
  const container = await run('from', 'scratch');
  await run('copy', '-q', container, join(tree, 'node_modules'), '/app/node_modules');
  await run('commit', '-q', '--timestamp', '1767225600', container, `oci:${join(home, 'image')}`);
  await run('rm', container);
}

/** buildah's own cache of layers: it hashes the content of the context and finds the layer that it made before. */
async function buildahCached(tree: string, home: string): Promise<void> {
  await writeFile(join(home, 'Containerfile'), 'FROM scratch\nCOPY node_modules /app/node_modules\n');
  await execa(
    'buildah',
    [
      '--root',
      join(home, 'root'),
      '--runroot',
      join(home, 'run'),
      'build',
      '-q',
      '--layers',
      '--isolation',
      'chroot',
      '-f',
      join(home, 'Containerfile'),
      tree,
    ],
    { timeout: 600_000 },
  );
}

const rounds = 3;
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

class Times {
  readonly #of = new Map<string, number[]>();
  add(name: string, seconds: number): void {
    this.#of.set(name, [...(this.#of.get(name) ?? []), seconds]);
  }
  print(peer: string): void {
    const base = median(this.#of.get(peer) ?? []);
    for (const [name, values] of this.#of) {
      const range = `${Math.min(...values).toFixed(2)}-${Math.max(...values).toFixed(2)}`;
      const ratio = Number.isNaN(base) || name === peer ? '' : `   ${(base / median(values)).toFixed(1)} x ${peer}`;
      console.log(`${name}: ${median(values).toFixed(2)} s (${range}, ${values.length} times)${ratio}`);
    }
  }
}

async function measure(tree: string, home: string, compression: 'zstd' | 'gzip', round: number, times: Times): Promise<void> {
  const cache = join(home, `cache-${compression}`);
  const name = (what: string) => `waybill, ${compression}, ${what}`;
  let builds = 0;
  const build = async (what: string, from = tree, kept?: string) => {
    const out = join(home, `out-${compression}-${round}-${builds++}`);
    const { seconds, value } = await timed(() => waybill(from, out, compression, kept));
    times.add(name(what), seconds);
    await rm(out, { recursive: true });
    return value;
  };
  const cold = await build('cold');
  const copy = join(home, 'copy');
  await cp(tree, copy, { recursive: true, verbatimSymlinks: true });
  await sleep(200);
  const equal = [cold, await build(round === 0 ? 'cold, filling the cache' : 'first after a change', tree, cache)];
  for (let again = 0; again < 3; again++) equal.push(await build('nothing changed', tree, cache));
  equal.push(await build('the same in a fresh folder', copy, cache));
  await rm(copy, { recursive: true });
  if (new Set(equal).size !== 1) throw new Error('equal trees gave different digests');
  await build('again', tree, cache);
  await appendFile(join(tree, 'node_modules/part-1/zod/package.json'), '\n');
  await sleep(200);
  if ((await build('one package changed', tree, cache)) === cold) throw new Error('another tree gave the same digest');
}

/** In a process of its own: what one cold build takes. */
async function peakMemory(tree: string, home: string): Promise<string> {
  const { stdout } = await execa(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', import.meta.filename, '--one', tree, join(home, 'one')],
    {
      timeout: 600_000,
    },
  );
  return stdout;
}

export async function main(): Promise<void> {
  const home = join(tmpdir(), `bench-${randomUUID().slice(0, 8)}`);
  await mkdir(home);
  try {
    const tree = join(home, 'tree');
    const made = await generate(tree);
    console.log(`tree: ${made.files} files, ${(made.bytes / 1e6).toFixed(0)} MB; load ${loadavg()[0]?.toFixed(1)}`);
    console.log(`peak memory of a cold build, zstd: ${await peakMemory(tree, home)} MB`);
    const { failed } = await execa('buildah', ['--version'], { reject: false, timeout: 10_000 });
    if (failed) console.warn('SKIPPED: buildah is missing, so there is no ratio');
    // Reads everything once, and lets the compiler see the code; not counted.
    await waybill(tree, join(home, 'warm'), 'zstd');
    const times = new Times();
    for (let round = 0; round < rounds; round++) {
      await measure(tree, home, 'zstd', round, times);
      if (!failed) times.add('buildah', (await timed(() => buildah(tree, join(home, `buildah-${round}`)))).seconds);
      if (round === 0) await measure(tree, home, 'gzip', round, times);
    }
    if (!failed) {
      const cached = join(home, 'buildah-cached');
      await mkdir(cached);
      await buildahCached(tree, cached);
      for (let again = 0; again < 2; again++)
        times.add('buildah build --layers, nothing changed', (await timed(() => buildahCached(tree, cached))).seconds);
    }
    times.print('buildah');
    console.log(`load ${loadavg()[0]?.toFixed(1)}`);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , one, tree = '', out = ''] = process.argv;
  if (one === '--one') {
    await waybill(tree, out, 'zstd');
    console.log((process.resourceUsage().maxRSS / 1024).toFixed(0));
  } else await main();
}
