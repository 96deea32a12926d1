/**
 * Image scans: an image of this project's own dependencies, Node's binary and larger files of text and of bytes (500 MB or more, in three layers), looked into by Waybill, and the
 * same layers only unpacked and hashed, in the same run. Each in a process of its own. Prints seconds, MB/s, the ratio, and the most memory that either held. Asserts nothing.
 */
import { randomBytes, createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { createWriteStream, readdirSync, realpathSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { layersOf } from '../src/image/inspect/layered-image.ts';
import { readLayoutImage } from '../src/image/inspect/image-reader.ts';
import { buildImage } from '../src/image/layers/build-image.ts';
import { contextOf, planned } from '../src/image/layers/test-build.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { openDatabase } from '../src/scan/advisories/database.ts';
import { scanImage } from '../src/scan/image/scan-image.ts';
import { derivedSalt } from '../src/scan/secrets/fingerprint.ts';
import { builtInRuleSet } from '../src/scan/secrets/repository-rules.ts';

const own = realpathSync(join(import.meta.dirname, '../node_modules'));

/** Looks into an image, in this process. */
async function scan(layout: string): Promise<string> {
  using database = await openDatabase(join(layout, 'no-advisories'));
  const { report } = await scanImage({
    image: await layersOf(await readLayoutImage(layout, undefined)),
    database,
    rules: builtInRuleSet(),
    salt: derivedSalt(['bench']),
    scanner: 'waybill bench',
    clock: systemClock,
    signal: AbortSignal.timeout(600_000),
  });
  const { files, components, skippedCount } = report.coverage;
  return `${files} files, ${components} components, ${report.findings.length} findings, ${skippedCount} skipped`;
}

/** The physical limit: every layer is unpacked and hashed, and nothing is looked at. */
async function unpack(layout: string): Promise<string> {
  const image = await layersOf(await readLayoutImage(layout, undefined));
  let bytes = 0;
  for (const layer of image.platforms[0]?.layers ?? []) {
    const hash = createHash('sha256');
    await pipeline(
      await layer.open(),
      layer.mediaType.endsWith('gzip') ? createGunzip() : createZstdDecompress(),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          hash.update(chunk);
          bytes += chunk.length;
        }
      },
    );
  }
  return `${bytes} bytes`;
}

async function generate(tree: string): Promise<number> {
  await cp(own, join(tree, 'app/node_modules'), { recursive: true, verbatimSymlinks: true, filter: (path) => !path.includes('/.bin') });
  const noise = createWriteStream(join(tree, 'data.bin'));
  for (let at = 0; at < 100; at++) noise.write(randomBytes(2 ** 20));
  await new Promise((resolve) => noise.end(resolve));
  const line = (at: number) =>
    `{"time":"2026-03-01T00:00:${at % 60}Z","level":"info","request":${at},"path":"/shop/${at * 7}","key":"value ${at}"}\n`;
  await writeFile(join(tree, 'log.json'), Array.from({ length: 1_000_000 }, (_, at) => line(at)).join(''));
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** This file again, as a process, with what it says and the most memory that it held. */
async function measured(what: string, layout: string): Promise<{ seconds: number; megabytes: number; said: string }> {
  const start = performance.now();
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', import.meta.filename, what, layout], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let megabytes = 0;
  const watch = setInterval(() => {
    try {
      megabytes = Math.max(megabytes, Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);
    } catch {
      // It has ended.
    }
  }, 20);
  const said = (await child.stdout.toArray()).join('').trim();
  clearInterval(watch);
  return { seconds: (performance.now() - start) / 1000, megabytes, said };
}

async function main(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'bench-image-'));
  try {
    const tree = join(work, 'tree');
    await mkdir(join(tree, 'app'), { recursive: true });
    const bytes = await generate(tree);
    const layout = join(work, 'layout');
    await buildImage(
      planned([
        { from: 'data.bin', to: '/data/' },
        { from: 'log.json', to: '/log/' },
        { from: 'app', to: '/app/' },
      ]),
      contextOf(tree, layout, { signal: AbortSignal.timeout(300_000) }),
    );
    console.log(`an image of ${(bytes / 1e6).toFixed(0)} MB`);
    const limit = await measured('unpack', layout);
    const ours = await measured('scan', layout);
    for (const [name, { seconds, megabytes, said }] of [['unpack and hash', limit] as const, ['waybill', ours] as const])
      console.log(
        `${name.padEnd(16)} ${seconds.toFixed(2)} s  ${(bytes / 1e6 / seconds).toFixed(0)} MB/s  ${megabytes.toFixed(0)} MB of memory  ${said}`,
      );
    console.log(
      `ratio            ${(limit.seconds / ours.seconds).toFixed(2)} × the bare work; 500 MB in ${((ours.seconds / bytes) * 5e8).toFixed(1)} s`,
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const [what, layout] = process.argv.slice(2);
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (layout === undefined) await main();
  else {
    const said = what === 'scan' ? await scan(layout) : await unpack(layout);
    const { user, system } = process.cpuUsage();
    console.log(`${((user + system) / 1e6).toFixed(2)} s of processors, ${said}`);
  }
}
