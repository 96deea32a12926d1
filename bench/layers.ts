/**
 * Layers: a tree like node_modules becomes an image in a layout, by Waybill and by buildah, from the same files in the same run. Cold, with
 * nothing changed, with one package changed; as zstd, which is Waybill's default, and as gzip, which is buildah's.
 * Prints seconds and ratios; asserts nothing but that the digests of equal builds are equal.
 */
import { randomUUID } from 'node:crypto';
import { appendFile, cp, mkdir, readdir, rm, stat } from 'node:fs/promises';
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
  const container = await run('from', 'scratch');
  await run('copy', '-q', container, join(tree, 'node_modules'), '/app/node_modules');
  await run('commit', '-q', '--timestamp', '1767225600', container, `oci:${join(home, 'image')}`);
  await run('rm', container);
}

type Row = { readonly compression: string; readonly name: string; readonly seconds: number };

async function measure(tree: string, home: string, compression: 'zstd' | 'gzip'): Promise<Row[]> {
  const cache = join(home, `cache-${compression}`);
  const place = (name: string) => join(home, `${compression}-${name}`);
  const cold = await timed(() => waybill(tree, place('cold'), compression));
  const first = await timed(() => waybill(tree, place('first'), compression, cache));
  const unchanged = await timed(() => waybill(tree, place('unchanged'), compression, cache));
  if (new Set([cold.value, first.value, unchanged.value]).size !== 1) throw new Error('equal trees gave different digests');
  await appendFile(join(tree, 'node_modules/part-1/zod/package.json'), '\n');
  const changed = await timed(() => waybill(tree, place('changed'), compression, cache));
  if (changed.value === cold.value) throw new Error('another tree gave the same digest');
  const rows = { cold, 'cold, filling the cache': first, 'nothing changed': unchanged, 'one package changed': changed };
  return Object.entries(rows).map(([name, { seconds }]) => ({ compression, name, seconds }));
}

export async function main(): Promise<void> {
  const home = join(tmpdir(), `bench-${randomUUID().slice(0, 8)}`);
  await mkdir(home);
  try {
    const tree = join(home, 'tree');
    const made = await generate(tree);
    console.log(`tree: ${made.files} files, ${(made.bytes / 1e6).toFixed(0)} MB; load ${loadavg()[0]?.toFixed(1)}`);
    await sleep(200);
    const rows = [...(await measure(tree, home, 'zstd')), ...(await measure(tree, home, 'gzip'))];
    console.log(`peak memory: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`);
    const { failed } = await execa('buildah', ['--version'], { reject: false, timeout: 10_000 });
    if (failed) console.warn('SKIPPED: buildah is missing, so there is no ratio');
    const peer = failed ? undefined : (await timed(() => buildah(tree, home))).seconds;
    if (peer !== undefined) console.log(`buildah, cold, gzip: ${peer.toFixed(2)} s`);
    for (const { compression, name, seconds } of rows)
      console.log(
        `waybill, ${compression}, ${name}: ${seconds.toFixed(2)} s${peer === undefined ? '' : `   ${(peer / seconds).toFixed(1)} x buildah`}`,
      );
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
