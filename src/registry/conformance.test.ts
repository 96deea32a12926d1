/**
 * What OCI's own conformance suite asks of a registry (distribution-spec 1.1: pull, push, content discovery, content management), request
 * by request, over every kind of content that it makes.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { contentDigestOf, type ContentDigest, type DigestAlgorithm } from '../oci/content-digest.ts';
import { ociConfig, ociEmpty, ociIndex, ociLayerTarGzip, ociManifest } from '../oci/media-types.ts';
import { startTestRegistry, type TestRegistry } from './registry.fixture.ts';

const octets = { 'content-type': 'application/octet-stream' };
const accept = { accept: `${ociIndex}, ${ociManifest}` };
const example = 'application/vnd.example.oci.conformance.v1';
type Body = Buffer | ReadableStream<Uint8Array>;
type Answer = { status: number; headers: Headers; body: Buffer };
type Descriptor = { mediaType: string; digest: ContentDigest; size: number; [more: string]: unknown };

let registry: TestRegistry;
before(async () => {
  registry = await startTestRegistry({ open: true, mutableTags: true, deletion: true });
});
after(() => registry[Symbol.asyncDispose]());

async function call(method: string, path: string, headers: Record<string, string> = {}, body?: Body): Promise<Answer> {
  const stream = body instanceof ReadableStream;
  const response = await fetch(new URL(path, registry.url), {
    method,
    headers,
    ...(body === undefined ? {} : { body: stream ? body : new Uint8Array(body) }),
    ...(stream ? { duplex: 'half' } : {}),
  } as RequestInit);
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
}

function is(answer: Answer, status: number, what: string): Answer {
  assert.equal(answer.status, status, `${what}: ${answer.body.subarray(0, 300).toString()}`);
  return answer;
}

const locationOf = (answer: Answer): string => {
  const location = answer.headers.get('location');
  assert.ok(location, 'no Location');
  return location;
};
const withQuery = (location: string, query: Record<string, string>): string => {
  const url = new URL(location, registry.url);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
};
const start = async (repository: string): Promise<string> =>
  locationOf(is(await call('POST', `/v2/${repository}/blobs/uploads/`), 202, 'start'));

async function holds(location: string, content: Buffer, what: string): Promise<void> {
  const answer = is(await call('GET', location), 200, `${what}: read back`);
  assert.ok(answer.body.equals(content), `${what}: other content`);
}

async function blobIs(repository: string, digest: ContentDigest, content: Buffer, what: string): Promise<void> {
  const head = is(await call('HEAD', `/v2/${repository}/blobs/${digest}`), 200, `${what}: HEAD`);
  assert.equal(head.headers.get('content-length'), String(content.length));
  assert.equal(head.headers.get('docker-content-digest'), digest);
  await holds(`/v2/${repository}/blobs/${digest}`, content, what);
}

async function deleteBlob(repository: string, digest: ContentDigest): Promise<void> {
  is(await call('DELETE', `/v2/${repository}/blobs/${digest}`), 202, 'delete');
  is(await call('HEAD', `/v2/${repository}/blobs/${digest}`), 404, 'deleted');
}

const thirds = (content: Buffer): { start: number; end: number }[] => {
  const size = Math.ceil(content.length / 3);
  return [0, 1, 2].map((n) => ({ start: n * size, end: Math.min((n + 1) * size, content.length) - 1 }));
};

async function chunk(method: 'PATCH' | 'PUT', location: string, content: Buffer, range: { start: number; end: number }): Promise<Answer> {
  const headers = { ...octets, 'content-range': `${range.start}-${range.end}` };
  return await call(method, location, headers, content.subarray(range.start, range.end + 1));
}

/** Each way to push: gives the last answer, which is 201 or, for a wrong digest, 400. */
const ways: Record<string, (repository: string, digest: ContentDigest, content: Buffer) => Promise<Answer>> = {
  'one POST': (repository, digest, content) => call('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, octets, content),
  'POST and PUT': async (repository, digest, content) => call('PUT', withQuery(await start(repository), { digest }), octets, content),
  chunks: async (repository, digest, content) => {
    let location = await start(repository);
    for (const range of thirds(content)) {
      const answer = is(await chunk('PATCH', location, content, range), 202, 'chunk');
      assert.equal(answer.headers.get('range'), `0-${range.end}`);
      location = locationOf(answer);
    }
    return call('PUT', withQuery(location, { digest }), octets, Buffer.alloc(0));
  },
  'chunks, the last with PUT': async (repository, digest, content) => {
    let location = await start(repository);
    const [first, second, last] = thirds(content);
    assert.ok(first && second && last);
    for (const range of [first, second]) location = locationOf(is(await chunk('PATCH', location, content, range), 202, 'chunk'));
    return chunk('PUT', withQuery(location, { digest }), content, last);
  },
  'chunks out of order, mended after asking': async (repository, digest, content) => {
    let location = await start(repository);
    const ranges = thirds(content);
    for (const [index, range] of ranges.entries()) {
      const wrong = ranges[index + 1] ?? ranges[0];
      assert.ok(wrong);
      locationOf(is(await chunk('PATCH', location, content, wrong), 416, 'out of order'));
      is(await chunk('PUT', withQuery(location, { digest }), content, wrong), 416, 'out of order with PUT');
      const asked = is(await call('GET', location), 204, 'where is it');
      if (index > 0) assert.equal(asked.headers.get('range'), `0-${range.start - 1}`);
      location = locationOf(is(await chunk('PATCH', locationOf(asked), content, range), 202, 'in order'));
    }
    return call('PUT', withQuery(location, { digest }), octets, Buffer.alloc(0));
  },
  'a stream of unknown length': async (repository, digest, content) => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array(content));
        controller.close();
      },
    });
    const location = locationOf(is(await call('PATCH', await start(repository), octets, body), 202, 'stream'));
    return call('PUT', withQuery(location, { digest }), octets, Buffer.alloc(0));
  },
};

for (const algorithm of ['sha256', 'sha512'] as const) {
  suite(`blobs under ${algorithm}`, () => {
    for (const [name, push] of Object.entries(ways)) {
      test(`pushed as ${name}`, async () => {
        const content = randomBytes(3 * 1024 - 5);
        const digest = contentDigestOf(content, algorithm);
        is(await call('GET', `/v2/c/one/blobs/${digest}`), 404, 'not there yet');
        await holds(locationOf(is(await push('c/one', digest, content), 201, name)), content, name);
        await blobIs('c/one', digest, content, name);
        await deleteBlob('c/one', digest);
        const corrupt = Buffer.concat([content, Buffer.from('oh no')]);
        is(await push('c/one', digest, corrupt), 400, `${name}, another digest`);
        is(await call('HEAD', `/v2/c/one/blobs/${digest}`), 404, `${name}, another digest: kept`);
      });
    }

    test('mounted from a repository that is named, from any, and from one that does not have it', async () => {
      const content = randomBytes(512);
      const digest = contentDigestOf(content, algorithm);
      const missing = is(await call('POST', `/v2/c/one/blobs/uploads/?mount=${digest}&from=c/two`), 202, 'nobody has it');
      is(await call('PUT', withQuery(locationOf(missing), { digest }), octets, content), 201, 'pushed instead');
      await deleteBlob('c/one', digest);
      for (const from of ['&from=c/two', '']) {
        is(await call('POST', `/v2/c/two/blobs/uploads/?digest=${digest}`, octets, content), 201, 'push');
        const mounted = is(await call('POST', `/v2/c/one/blobs/uploads/?mount=${digest}${from}`), 201, `mount ${from}`);
        await holds(locationOf(mounted), content, 'mount');
        await deleteBlob('c/one', digest);
        await deleteBlob('c/two', digest);
      }
    });

    test('an upload is given up', async () => {
      const location = await start('c/one');
      is(await call('DELETE', location), 204, 'cancel');
      is(await call('GET', location), 404, 'cancelled');
    });

    test('well-known contents', async () => {
      for (const content of [Buffer.alloc(0), Buffer.from('{}')])
        for (const name of ['one POST', 'POST and PUT', 'a stream of unknown length']) {
          const digest = contentDigestOf(content, algorithm);
          is((await ways[name]?.('c/one', digest, content)) as Answer, 201, `${name} of ${content.length} bytes`);
          await blobIs('c/one', digest, content, name);
          await deleteBlob('c/one', digest);
        }
    });

    test('ranges', async () => {
      const content = randomBytes(2048);
      const digest = contentDigestOf(content, algorithm);
      is(await call('POST', `/v2/c/one/blobs/uploads/?digest=${digest}`, octets, content), 201, 'push');
      const cases: [string, number, number, number][] = [
        ['bytes=500-1499', 206, 500, 1500],
        ['bytes=500-', 206, 500, 2048],
        ['bytes=-500', 206, 1548, 2048],
        ['bytes=2000-5000', 206, 2000, 2048],
        ['bytes=500-0', 416, 0, 0],
        ['bytes=5000-10000', 416, 0, 0],
      ];
      for (const [range, status, from, to] of cases) {
        const answer = is(await call('GET', `/v2/c/one/blobs/${digest}`, { range }), status, range);
        if (status !== 206) continue;
        assert.ok(answer.body.equals(content.subarray(from, to)), range);
        assert.equal(answer.headers.get('content-range'), `bytes ${from}-${to - 1}/2048`);
      }
    });
  });
}

/** Pushes a blob and describes it. */
async function blob(mediaType: string, content: Buffer, algorithm: DigestAlgorithm = 'sha256'): Promise<Descriptor> {
  const digest = contentDigestOf(content, algorithm);
  is(await call('POST', `/v2/c/one/blobs/uploads/?digest=${digest}`, octets, content), 201, mediaType);
  return { mediaType, digest, size: content.length };
}

type Put = { readonly bytes: Buffer; readonly descriptor: Descriptor };

/** Pushes a manifest by digest, reads it back, and describes it. */
async function manifest(document: Record<string, unknown>, algorithm: DigestAlgorithm = 'sha256'): Promise<Put> {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }));
  const mediaType = String(document['mediaType']);
  const digest = contentDigestOf(bytes, algorithm);
  const put = is(await call('PUT', `/v2/c/one/manifests/${digest}`, { 'content-type': mediaType }, bytes), 201, 'put by digest');
  assert.equal(put.headers.get('docker-content-digest'), digest);
  const subject = document['subject'] as Descriptor | undefined;
  assert.equal(put.headers.get('oci-subject'), subject?.digest ?? null);
  await manifestIs(locationOf(put), bytes, mediaType, digest);
  return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
}

async function manifestIs(path: string, bytes: Buffer, mediaType: string, digest: ContentDigest): Promise<void> {
  for (const method of ['HEAD', 'GET']) {
    const answer = is(await call(method, path, accept), 200, `${method} ${path}`);
    assert.equal(answer.headers.get('content-type'), mediaType);
    assert.equal(answer.headers.get('content-length'), String(bytes.length));
    assert.equal(answer.headers.get('docker-content-digest'), digest);
    if (method === 'GET') assert.ok(answer.body.equals(bytes));
  }
}

async function image(more: Record<string, unknown> = {}, options: { algorithm?: DigestAlgorithm; layers?: number } = {}): Promise<Put> {
  const { algorithm = 'sha256', layers = 2 } = options;
  const config = await blob(ociConfig, Buffer.from(JSON.stringify({ os: 'linux', n: Math.random() })), algorithm);
  const list: Descriptor[] = [];
  for (let n = 0; n < layers; n++) list.push(await blob(ociLayerTarGzip, randomBytes(300), algorithm));
  return await manifest({ mediaType: ociManifest, config, layers: list, ...more }, algorithm);
}

async function index(manifests: readonly Put[], more: Record<string, unknown> = {}, algorithm: DigestAlgorithm = 'sha256'): Promise<Put> {
  const platform = { os: 'linux', architecture: 'amd64' };
  return await manifest(
    { mediaType: ociIndex, manifests: manifests.map(({ descriptor }) => ({ ...descriptor, platform })), ...more },
    algorithm,
  );
}

const artifact = async (more: Record<string, unknown> = {}): Promise<Put> =>
  await manifest({
    mediaType: ociManifest,
    artifactType: example,
    config: await blob(ociEmpty, Buffer.from('{}')),
    layers: [await blob(example, randomBytes(200))],
    ...more,
  });

async function nonDistributable(): Promise<Put> {
  const away = ['', '+gzip'].map((suffix) => {
    const digest = contentDigestOf(randomBytes(10), 'sha256');
    const mediaType = `application/vnd.oci.image.layer.nondistributable.v1.tar${suffix}`;
    return { mediaType, digest, size: 12_345, urls: [`https://store.example.com/${digest}`] };
  });
  const config = await blob(ociConfig, Buffer.from('{"os":"linux"}'));
  return await manifest({ mediaType: ociManifest, config, layers: [...away, await blob(ociLayerTarGzip, randomBytes(50))] });
}

const annotations = Object.fromEntries(Array.from({ length: 390 }, (_, n) => [`large-annotation-${n}`, 'A'.repeat(10_000)]));
const kinds: Record<string, () => Promise<Put>> = {
  'an image': () => image(),
  'an image with a large manifest': () => image({ annotations }),
  'an image without layers': () => image({}, { layers: 0 }),
  'an image with fields of its own': () => image({ 'org.example.field': { a: [1] } }),
  'an image whose layers are not distributed': nonDistributable,
  'an image with content in its descriptors': async () => {
    const config = { ...(await blob(ociConfig, Buffer.from('{"os":"linux"}'))), data: Buffer.from('{"os":"linux"}').toString('base64') };
    return await manifest({ mediaType: ociManifest, config, layers: [await blob(ociLayerTarGzip, randomBytes(50))] });
  },
  'an index': async () => index([await image(), await image()]),
  'an index of indexes': async () => index([await index([await image()]), await index([await image()])]),
  'an empty index': () => index([]),
  'an artifact': () => artifact(),
  'an index of artifacts': async () => index([await artifact(), await artifact()], { artifactType: example }),
};

suite('manifests', () => {
  for (const [name, make] of Object.entries(kinds)) {
    test(`${name}: tagged, listed, read, deleted`, async () => {
      const { bytes, descriptor } = await make();
      const { mediaType, digest } = descriptor;
      for (const tag of ['a', 'b'])
        is(await call('PUT', `/v2/c/one/manifests/${tag}`, { 'content-type': mediaType }, bytes), 201, `put ${tag}`);
      await manifestIs('/v2/c/one/manifests/a', bytes, mediaType, digest);
      const { tags } = JSON.parse(is(await call('GET', '/v2/c/one/tags/list'), 200, 'list').body.toString()) as { tags: string[] };
      assert.deepEqual(tags, ['a', 'b']);
      const rest = JSON.parse((await call('GET', '/v2/c/one/tags/list?last=a')).body.toString()) as { tags: string[] };
      assert.deepEqual(rest.tags, ['b']);
      is(await call('DELETE', '/v2/c/one/manifests/a'), 202, 'delete the tag');
      is(await call('HEAD', '/v2/c/one/manifests/a', accept), 404, 'the tag');
      is(await call('DELETE', `/v2/c/one/manifests/${digest}`), 202, 'delete the manifest');
      is(await call('GET', `/v2/c/one/manifests/${digest}`, accept), 404, 'the manifest');
      is(await call('HEAD', '/v2/c/one/manifests/b', accept), 404, 'its other tag');
    });
  }

  for (const algorithm of ['sha256', 'sha512'] as const)
    test(`an index under ${algorithm}, by digest, with tags in the query`, async () => {
      const child = await image({}, { algorithm });
      const { bytes, descriptor } = await index([child], {}, algorithm);
      const path = `/v2/c/one/manifests/${descriptor.digest}`;
      const put = is(await call('PUT', `${path}?tag=t1&tag=t2`, { 'content-type': ociIndex }, bytes), 201, 'put');
      assert.deepEqual(put.headers.get('oci-tag')?.split(', '), ['t1', 't2']);
      for (const tag of ['t1', 't2']) await manifestIs(`/v2/c/one/manifests/${tag}`, bytes, ociIndex, descriptor.digest);
      is(await call('PUT', `${path}?tag=-bad-`, { 'content-type': ociIndex }, bytes), 400, 'a tag that is none');
      for (const { descriptor: each } of [{ descriptor }, child])
        is(await call('DELETE', `/v2/c/one/manifests/${each.digest}`), 202, 'delete');
    });

  test('what is wrong is refused', async () => {
    const { bytes } = await image();
    const digest = contentDigestOf(bytes, 'sha256');
    const put = (path: string, body: Buffer) => call('PUT', `/v2/c/one/manifests/${path}`, { 'content-type': ociManifest }, body);
    is(await put('sha256:baddigeststring', bytes), 400, 'a digest that is none');
    is(await put(digest, Buffer.concat([bytes, Buffer.from('  ')])), 400, 'another digest');
    is(await call('GET', '/v2/c/one/manifests/sha256:baddigeststring', accept), 400, 'a digest that is none');
    is(await call('GET', `/v2/c/one/manifests/${contentDigestOf(randomBytes(9), 'sha256')}`, accept), 404, 'unknown digest');
    const unknown = is(await call('GET', '/v2/c/one/manifests/missing', accept), 404, 'unknown tag');
    assert.match(unknown.body.toString(), /"code":"MANIFEST_UNKNOWN"/);
    const gone = { mediaType: ociLayerTarGzip, digest: contentDigestOf(randomBytes(9), 'sha512'), size: 9 };
    const sparse = JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: gone, layers: [] });
    assert.match(is(await put('sparse', Buffer.from(sparse)), 404, 'missing content').body.toString(), /MANIFEST_BLOB_UNKNOWN/);
    is(await put('large', Buffer.alloc(4 * 1024 * 1024 + 1, ' ')), 413, 'too large');
  });
});

suite('what the suite of the released 1.1 asks besides', () => {
  test('a reference that can be no tag: not found for who asks, invalid for who sets it', async () => {
    const path = '/v2/c/one/manifests/.INVALID_MANIFEST_NAME';
    for (const method of ['HEAD', 'GET', 'DELETE']) is(await call(method, path, accept), 404, method);
    assert.match((await call('GET', path, accept)).body.toString(), /"code":"MANIFEST_UNKNOWN"/);
    const put = is(await call('PUT', path, { 'content-type': ociManifest }, Buffer.from('{}')), 400, 'PUT');
    assert.match(put.body.toString(), /"code":"TAG_INVALID"/);
  });

  test('descriptors with fields of their own and with null for what they leave out are kept to the byte', async () => {
    const content = Buffer.from(JSON.stringify({ os: 'linux', author: randomBytes(8).toString('hex') }));
    const own = { newUnspecifiedField: Buffer.from('hello world').toString('base64') };
    const config = { ...(await blob(ociConfig, content)), data: content.toString('base64'), ...own };
    const layer = {
      ...(await blob(ociLayerTarGzip, randomBytes(50))),
      data: null,
      newUnspecifiedField: null,
      urls: null,
      annotations: null,
    };
    for (const layers of [[layer], []]) await manifest({ mediaType: ociManifest, config, layers, annotations: null, subject: null });
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: [] }));
    is(await call('PUT', '/v2/c/one/manifests/emptylayer', { 'content-type': ociManifest }, bytes), 201, 'without a media type inside');
    is(await call('DELETE', `/v2/c/one/manifests/${contentDigestOf(bytes, 'sha256')}`), 202, 'delete');
  });

  test('tags are listed, one fewer, after a manifest was deleted; its config can be deleted before it', async () => {
    const { bytes, descriptor } = await image();
    for (const tag of ['x0', 'x1', 'x2', 'x3'])
      is(await call('PUT', `/v2/c/one/manifests/${tag}`, { 'content-type': ociManifest }, bytes), 201, tag);
    const tags = async (query = '') =>
      (JSON.parse(is(await call('GET', `/v2/c/one/tags/list${query}`), 200, 'list').body.toString()) as { tags: string[] }).tags;
    assert.deepEqual(await tags('?n=2'), ['x0', 'x1']);
    assert.deepEqual(await tags('?n=2&last=x1'), ['x2', 'x3']);
    assert.deepEqual(await tags('?n=0'), []);
    const { config } = JSON.parse(bytes.toString()) as { config: Descriptor };
    is(await call('DELETE', `/v2/c/one/blobs/${config.digest}`), 202, 'the config');
    is(await call('GET', `/v2/c/one/blobs/${config.digest}`), 404, 'the config');
    is(await call('DELETE', '/v2/c/one/manifests/x0'), 202, 'a tag');
    assert.deepEqual(await tags(), ['x1', 'x2', 'x3']);
    is(await call('DELETE', `/v2/c/one/manifests/${descriptor.digest}`), 202, 'the manifest');
    assert.deepEqual(await tags(), []);
  });

  test('a chunk that is sent again is refused, and the upload says where it is and goes on', async () => {
    const content = randomBytes(42);
    const location = await start('c/one');
    const first = { start: 0, end: 21 };
    assert.equal(is(await chunk('PATCH', location, content, first), 202, 'first').headers.get('range'), '0-21');
    is(await chunk('PATCH', location, content, first), 416, 'again');
    const asked = is(await call('GET', location), 204, 'where is it');
    assert.equal(asked.headers.get('range'), '0-21');
    const second = is(await chunk('PATCH', locationOf(asked), content, { start: 22, end: 41 }), 202, 'second');
    assert.equal(second.headers.get('range'), '0-41');
    const digest = contentDigestOf(content, 'sha256');
    is(await call('PUT', withQuery(locationOf(second), { digest }), { ...octets, 'content-length': '0' }), 201, 'end');
  });
});

suite('referrers', () => {
  const list = async (subject: ContentDigest, query = '') => {
    const answer = is(await call('GET', `/v2/c/one/referrers/${subject}${query}`), 200, 'referrers');
    assert.equal(answer.headers.get('content-type'), ociIndex);
    const body = JSON.parse(answer.body.toString()) as { mediaType: string; schemaVersion: number; manifests: Descriptor[] };
    assert.deepEqual([body.mediaType, body.schemaVersion], [ociIndex, 2]);
    return { entries: body.manifests, filters: answer.headers.get('oci-filters-applied') };
  };

  for (const [name, make] of Object.entries({
    'of an image': async () => (await image()).descriptor,
    'of an index': async () => (await index([await image()])).descriptor,
    'of a subject that is not there': async () => ({
      mediaType: ociManifest,
      digest: contentDigestOf(randomBytes(9), 'sha256'),
      size: 123,
    }),
  }))
    test(`${name}: listed, filtered, and gone when deleted`, async () => {
      const subject = await make();
      assert.deepEqual((await list(subject.digest)).entries, []);
      const said = { 'org.opencontainers.conformance': 'hello' };
      const typed = await artifact({ subject, annotations: said });
      const other = await image({ subject });
      const listed = await index([], { subject, artifactType: `${example}2` });
      const expected = [
        { ...typed.descriptor, artifactType: example, annotations: said },
        { ...other.descriptor, artifactType: ociConfig },
        { ...listed.descriptor, artifactType: `${example}2` },
      ].sort((a, b) => (a.digest < b.digest ? -1 : 1));
      assert.deepEqual((await list(subject.digest)).entries, expected);
      const filtered = await list(subject.digest, `?artifactType=${encodeURIComponent(example)}`);
      assert.deepEqual(filtered, { entries: [expected.find((one) => one.artifactType === example)], filters: 'artifactType' });
      for (const { descriptor } of [typed, other, listed])
        is(await call('DELETE', `/v2/c/one/manifests/${descriptor.digest}`), 202, 'delete');
      assert.deepEqual((await list(subject.digest)).entries, []);
    });
});
