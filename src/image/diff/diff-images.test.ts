import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack, type Header } from 'tar-stream';
import { digestOf } from '../../kernel/digest.ts';
import { createLayout, refNameAnnotation } from '../../oci/layout.ts';
import { ociConfig, ociLayerTarGzip, ociLayerTarZstd, ociManifest } from '../../oci/media-types.ts';
import { readLayoutImage } from '../inspect/image-reader.ts';
import { inspectImage } from '../inspect/inspect-image.ts';
import { temporaryFolder } from '../layers/test-build.ts';
import { diffImages } from './diff-images.ts';
import { readLayer } from './read-layer.ts';

type Entry = { readonly header: Partial<Header> & { readonly name: string }; readonly content?: string };
const signal = new AbortController().signal;
const time = new Date('2026-01-01T00:00:00Z');
const file = (name: string, content: string, more: Partial<Header> = {}): Entry => ({
  header: { name, mtime: time, mode: 0o644, ...more },
  content,
});

async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const packer = pack();
  const bytes = buffer(packer);
  for (const { header, content } of entries) packer.entry(header, content ?? '');
  packer.finalize();
  return await bytes;
}

type Part = { readonly layers: readonly (readonly Entry[])[]; readonly config?: object; readonly zstd?: boolean };

async function write(folder: string, name: string, part: Part): Promise<void> {
  const layout = await createLayout(folder);
  const tars = await Promise.all(part.layers.map(tar));
  const type = part.zstd ? ociLayerTarZstd : ociLayerTarGzip;
  const layers = await Promise.all(tars.map((bytes) => layout.addBlob(part.zstd ? zstdCompressSync(bytes) : gzipSync(bytes), type)));
  const rootfs = { type: 'layers', diff_ids: tars.map((bytes) => digestOf(bytes)) };
  const config = { os: 'linux', architecture: 'amd64', config: { Labels: { tier: 'shop' }, ...part.config }, rootfs };
  const descriptor = await layout.addBlob(Buffer.from(JSON.stringify(config)), ociConfig);
  const manifest = { schemaVersion: 2, mediaType: ociManifest, config: descriptor, layers };
  await layout.addEntry(await layout.addBlob(Buffer.from(JSON.stringify(manifest)), ociManifest), { [refNameAnnotation]: name });
}

async function compare(from: Part, to: Part) {
  await using folder = await temporaryFolder();
  const layout = join(folder.path, 'layout');
  await write(layout, 'one', from);
  await write(layout, 'other', to);
  return await diffImages(await readLayoutImage(layout, 'one'), await readLayoutImage(layout, 'other'), { signal });
}

const below = [file('etc/base', 'base')];
const aspects: readonly [string, Entry, Entry, string][] = [
  ['content', file('x', 'a'), file('x', 'b'), 'content'],
  ['size', file('x', 'a'), file('x', 'ab'), 'size, content'],
  ['mode', file('x', 'a'), file('x', 'a', { mode: 0o4755 }), 'mode'],
  ['owner', file('x', 'a'), file('x', 'a', { uid: 7, gid: 8 }), 'owner'],
  ['mtime', file('x', 'a'), file('x', 'a', { mtime: new Date('2026-01-02T00:00:00Z') }), 'mtime'],
  ['link target', file('x', '', { type: 'symlink', linkname: '/a' }), file('x', '', { type: 'symlink', linkname: '/b' }), 'link'],
  ['type', file('x', ''), file('x', '', { type: 'directory' }), 'type'],
  ['extended attribute', file('x', 'a'), file('x', 'a', { pax: { 'SCHILY.xattr.user.a': 'b' } }), 'extra'],
];
for (const [what, before, after, said] of aspects)
  test(`a file that differs in its ${what} is found below files that do not differ, with what differs`, async () => {
    const result = await compare({ layers: [below, [file('a', 'same'), before]] }, { layers: [below, [file('a', 'same'), after]] });
    assert.deepEqual(result.first, { platform: 'linux/amd64', layer: 1, path: '/x', what: said });
    assert.deepEqual(
      result.platforms[0]?.layers.map((layer) => layer.verdict),
      ['same', 'differs'],
    );
  });

test('added and removed files, another order, a missing layer and another compression are told apart', async () => {
  const one = [file('a', '1'), file('b', '2')];
  const added = await compare({ layers: [one] }, { layers: [[...one, file('c', '3')]] });
  assert.deepEqual(added.platforms[0]?.layers[0]?.difference?.files, [{ path: '/c', kind: 'added', aspects: [] }]);
  const removed = await compare({ layers: [one] }, { layers: [one.slice(0, 1)] });
  assert.equal(removed.first?.what, 'removed');
  const order = await compare({ layers: [one] }, { layers: [one.toReversed()] });
  assert.equal(order.first?.what, 'the order of the files');
  const shorter = await compare({ layers: [one, below] }, { layers: [one] });
  assert.equal(shorter.platforms[0]?.layers[1]?.verdict, 'removed');
  const zstd = await compare({ layers: [one] }, { layers: [one], zstd: true });
  assert.equal(zstd.platforms[0]?.layers[0]?.verdict, 'compressed-otherwise');
  assert.equal(zstd.same, false);
  const twice = await compare({ layers: [[...one]] }, { layers: [[...one, file('b', '2')]] });
  assert.equal(twice.first?.what, 'the form of the tar, and no file in it');
});

test('configuration is compared leaf by leaf', async () => {
  const { platforms } = await compare(
    { layers: [below], config: { Env: ['A=1'] } },
    { layers: [below], config: { Env: ['A=2'], User: '5' } },
  );
  assert.deepEqual(platforms[0]?.config, [
    { path: 'config.Env.0', from: 'A=1', to: 'A=2' },
    { path: 'config.User', to: '5' },
  ]);
});

test('an image is the same as itself, and describes itself', async () => {
  await using folder = await temporaryFolder();
  const layout = join(folder.path, 'layout');
  await write(layout, 'shop', { layers: [below] });
  const image = await readLayoutImage(layout, undefined);
  assert.equal((await diffImages(image, await readLayoutImage(layout, 'shop'), { signal })).same, true);
  const { platforms, digest } = await inspectImage(image);
  assert.equal(digest, image.top.digest);
  assert.deepEqual(platforms[0]?.labels, { tier: 'shop' });
  assert.equal(platforms[0]?.layers[0]?.diffId, digestOf(await tar(below)));
});

test('a layout of several images, or without the one that is named, says what it holds', async () => {
  await using folder = await temporaryFolder();
  const layout = join(folder.path, 'layout');
  await write(layout, 'shop', { layers: [below] });
  await write(layout, 'till', { layers: [[file('a', 'b')]] });
  await assert.rejects(readLayoutImage(layout, undefined), (error: Error & { fix?: string }) => /shop.*till/.test(error.fix ?? ''));
  await assert.rejects(readLayoutImage(layout, 'none'), { code: 'NOT_FOUND' });
});

test('a layer that unpacks to too much, has too many files, or is no tar is refused', async () => {
  const bomb = gzipSync(await tar([file('zero', '0'.repeat(1_000_000))]));
  const read = (bytes: Buffer, limits = { bytes: 100_000, entries: 10 }) =>
    readLayer(Readable.from([bytes]), ociLayerTarGzip, signal, limits);
  await assert.rejects(read(bomb), { code: 'LIMIT_EXCEEDED' });
  const many = gzipSync(await tar(Array.from({ length: 20 }, (_, index) => file(`f${index}`, ''))));
  await assert.rejects(read(many), { code: 'LIMIT_EXCEEDED' });
  await assert.rejects(read(Buffer.from('this is no gzip')), { code: 'INVALID_INPUT' });
  await assert.rejects(read(gzipSync(Buffer.from('no tar'.repeat(200)))), { code: 'INVALID_INPUT' });
  await assert.rejects(readLayer(Readable.from([bomb]), 'application/x-strange', signal), { code: 'INVALID_INPUT' });
});
