import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { execa } from 'execa';
import type { PlannedImage, PlannedLayer } from '../../plan/plan.ts';
import { hexOf, type Digest } from '../../kernel/digest.ts';
import type { BuildContext, BuiltImage } from './build-context.ts';

/** For tests: a folder that is gone afterwards. */
export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  // Lower case and short, unlike mkdtemp: podman reads the path of a layout as a reference, and wants its own folders short.
  const path = join(tmpdir(), `waybill-${randomUUID().slice(0, 8)}`);
  await mkdir(path, { mode: 0o700 });
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** For tests: `tar` of a folder. */
export function tarOf(folder: string): Readable {
  return spawn('tar', ['-C', folder, '--exclude=./.git', '-cf', '-', '.'], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout;
}

export function planned(
  layers: readonly (Pick<PlannedLayer, 'from' | 'to'> & Partial<PlannedLayer>)[],
  more: Partial<PlannedImage> = {},
): PlannedImage {
  return {
    name: 'shop',
    base: 'scratch',
    layers: layers.map((layer) => ({ after: [], ...layer })),
    config: {},
    network: 'none',
    timeoutMs: 60_000,
    ...more,
  };
}

/**
 * For tests: `tree` stands for the commit's own tree. The sandbox is a plain copy in which the commands really run, without isolation:
 * the runners' own suites prove that; here only what lies in the folder afterwards matters.
 */
export function contextOf(tree: string, out: string, more: Partial<BuildContext> = {}): BuildContext {
  return {
    source: async () => tarOf(tree),
    sandbox: async (commands, signal) => {
      const folder = await temporaryFolder();
      await execa('cp', ['-a', `${tree}/.`, folder.path], { cancelSignal: signal });
      for (const command of commands) {
        await execa('sh', ['-ec', command], {
          cwd: folder.path,
          cancelSignal: signal,
          timeout: 60_000,
          env: { WAYBILL_COMMIT: '1'.repeat(40) },
        });
      }
      return { folder: folder.path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
    },
    base: () => Promise.reject(new Error('no base in this test')),
    created: new Date('2026-11-01T12:00:00Z'),
    annotations: { 'org.opencontainers.image.revision': '1'.repeat(40) },
    out,
    platform: { os: 'linux', architecture: 'amd64' },
    signal: AbortSignal.timeout(60_000),
    onProgress() {},
    ...more,
  };
}

export function blobPath(layout: string, digest: Digest): string {
  return join(layout, 'blobs', 'sha256', hexOf(digest));
}

function unpack(blob: Buffer): Buffer {
  return blob[0] === 0x1f ? gunzipSync(blob) : zstdDecompressSync(blob);
}

/** For tests: what an independent reader of tar finds in a layer, `path mode target-or-content`. */
export async function listLayer(image: BuiltImage, index: number): Promise<string[]> {
  const layer = image.layers[index];
  if (layer === undefined) throw new Error(`no layer ${index}`);
  const reader = extract();
  reader.end(unpack(await readFile(blobPath(image.layout, layer.digest))));
  const lines: string[] = [];
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
    const { name, type, mode, linkname, uid, gid } = entry.header;
    if (uid !== 0 || gid !== 0) throw new Error(`${name} belongs to ${uid}:${gid}`);
    const rest =
      type === 'symlink'
        ? `-> ${linkname}`
        : type === 'link'
          ? `== ${linkname}`
          : type === 'file'
            ? Buffer.concat(chunks).toString('utf8').slice(0, 40)
            : '';
    lines.push(`${name} ${mode.toString(8)} ${rest}`.trimEnd());
  }
  return lines;
}
