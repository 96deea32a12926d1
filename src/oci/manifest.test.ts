import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { annotationsOf, artifactTypeOf, childrenOf, parseManifest, subjectOf } from './manifest.ts';
import { dockerManifest, ociIndex, ociManifest } from './media-types.ts';

const blob = (text: string, mediaType = 'application/octet-stream') => ({ mediaType, digest: digestOf(text), size: text.length });
const image = { schemaVersion: 2, config: blob('config', 'application/c'), layers: [blob('a'), blob('b')] };
const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [blob('m', ociManifest)] };
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

test('an image manifest and an index are told apart, with their own digest', () => {
  const content = bytes({ ...image, subject: blob('s', ociManifest), annotations: { a: 'b' } });
  const parsed = parseManifest(content);
  assert.equal(parsed.kind, 'image');
  assert.equal(parsed.mediaType, ociManifest);
  assert.equal(parsed.digest, digestOf(content));
  assert.equal(childrenOf(parsed).length, 3);
  assert.equal(subjectOf(parsed)?.digest, digestOf('s'));
  assert.equal(artifactTypeOf(parsed), 'application/c');
  assert.deepEqual(annotationsOf(parsed), { a: 'b' });
  assert.equal(parseManifest(bytes(image), dockerManifest).mediaType, dockerManifest);
  assert.equal(parseManifest(bytes(index)).kind, 'index');
});

test('what is refused', () => {
  const table: [unknown, string?][] = [
    [{ ...image, manifests: [] }],
    [{ ...index, layers: [] }],
    [image, ociIndex],
    [{ ...image, mediaType: ociManifest }, dockerManifest],
    [image, 'application/json'],
    [{ ...image, schemaVersion: 1 }],
    [{ ...image, layers: [{ ...blob('a'), size: -1 }] }],
    [{ ...image, layers: [{ ...blob('a'), size: 1.5 }] }],
    [{ ...image, layers: [{ ...blob('a'), digest: 'sha256:../../x' }] }],
    [{ ...image, layers: [{ ...blob('a'), mediaType: 'no media type' }] }],
    [{ ...image, layers: Array.from({ length: 5_001 }, () => blob('a')) }],
    [{ ...image, annotations: { a: 1 } }],
    [[image]],
    [null],
    ['text'],
  ];
  for (const [value, type] of table)
    assert.throws(() => parseManifest(bytes(value), type), { code: 'INVALID_INPUT' }, JSON.stringify(value).slice(0, 100));
  for (const raw of ['', '{', '\uFEFF{}']) assert.throws(() => parseManifest(Buffer.from(raw)), { code: 'INVALID_INPUT' });
  assert.throws(() => parseManifest(Buffer.from([0x7b, 0xff, 0x7d])), { code: 'INVALID_INPUT' });
  assert.throws(() => parseManifest(Buffer.alloc(4 * 1024 * 1024 + 1)), { code: 'LIMIT_EXCEEDED' });
});

test('null says as little as nothing where something may be left out, and is refused where it may not', () => {
  const nothing = { urls: null, annotations: null, data: null, platform: null };
  const read = parseManifest(
    bytes({ ...image, subject: null, manifests: null, annotations: null, layers: [{ ...blob('a'), ...nothing }] }),
  );
  assert.ok(read.kind === 'image');
  assert.deepEqual(read.image.layers, [blob('a')]);
  assert.ok(!('subject' in read.image));
  for (const wrong of [
    { ...image, config: null },
    { ...image, layers: null },
    { ...image, layers: [null] },
    { ...index, manifests: null },
  ])
    assert.throws(() => parseManifest(bytes(wrong), ociManifest), { code: 'INVALID_INPUT' });
});
