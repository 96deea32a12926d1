import { chmod, link, lutimes, mkdir, readFile, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { extract } from 'tar-stream';
import type { Digest } from '../../kernel/digest.ts';
import { isWaybillError } from '../../kernel/error.ts';
import { openLayout } from '../../oci/layout.ts';
import type { BuiltImage } from './build-context.ts';
import { buildImage } from './build-image.ts';
import { tarBlocks } from './tar.ts';
import type { LayerEntry } from './walk.ts';
import { contextOf, blobPath, listLayer, planned, tarOf, temporaryFolder } from './test-build.ts';

type Make = (path: string) => Promise<void>;
const file =
  (content: string, mode = 0o644): Make =>
  async (path) => {
    await writeFile(path, content);
    await chmod(path, mode);
  };
const linkTo =
  (target: string): Make =>
  (path) =>
    symlink(target, path);
const folder: Make = async (path) => {
  await mkdir(path, { recursive: true });
};

async function grow(root: string, tree: Readonly<Record<string, Make>>): Promise<void> {
  for (const [path, make] of Object.entries(tree)) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await make(join(root, path));
  }
}

const long = `${'d'.repeat(90)}/${'e'.repeat(120)}`;
/** As long as a name can be, in bytes: longer in all than any field of a tar's header, and no ASCII. */
const longest = ['a'.repeat(255), 'ü'.repeat(127), '漢'.repeat(85)] as const;
const trees: Record<string, { tree: Record<string, Make>; from?: string; to?: string; expect: readonly string[] }> = {
  'a plain folder, with the folders above it': {
    tree: { 'src/a.js': file('A'), 'src/b/c.js': file('C'), 'other.js': file('O') },
    from: 'src',
    to: '/app/src',
    expect: ['app/ 755', 'app/src/ 755', 'app/src/a.js 644 A', 'app/src/b/ 755', 'app/src/b/c.js 644 C'],
  },
  'all of the tree at the root': { tree: { a: file('A'), 'b/c': file('C') }, to: '/', expect: ['a 644 A', 'b/ 755', 'b/c 644 C'] },
  'one file under a new name': { tree: { 'a/x': file('X') }, from: 'a/x', to: '/app/y', expect: ['app/ 755', 'app/y 644 X'] },
  'one file into a folder': { tree: { x: file('X') }, from: './x', to: '/app/', expect: ['app/ 755', 'app/x 644 X'] },
  'names sorted by bytes': {
    tree: {
      'a/z': file(''),
      'a-b': file(''),
      'a.b': file(''),
      a0: file(''),
      B: file(''),
      é: file(''),
      '\u{10000}': file(''),
      '\uFB01': file(''),
    },
    to: '/',
    expect: ['B 644', 'a-b 644', 'a.b 644', 'a/ 755', 'a/z 644', 'a0 644', 'é 644', '\uFB01 644', '\u{10000} 644'],
  },
  'executables, and no other bit': {
    tree: { run: file('', 0o4711), read: file('', 0o600), all: file('', 0o666), odd: file('', 0o611) },
    to: '/',
    expect: ['all 644', 'odd 644', 'read 644', 'run 755'],
  },
  'empty folders': { tree: { 'a/b/c': folder, d: folder }, to: '/', expect: ['a/ 755', 'a/b/ 755', 'a/b/c/ 755', 'd/ 755'] },
  'links as they are, inside, outside and dangling': {
    tree: {
      in: linkTo('a'),
      out: linkTo('/etc/passwd'),
      up: linkTo('../../..'),
      gone: linkTo('nowhere'),
      loop: linkTo('loop'),
      a: file('A'),
    },
    to: '/',
    expect: ['a 644 A', 'gone 777 -> nowhere', 'in 777 -> a', 'loop 777 -> loop', 'out 777 -> /etc/passwd', 'up 777 -> ../../..'],
  },
  'a link to a folder is not entered': {
    tree: { 'a/x': file('X'), b: linkTo('a'), host: linkTo('/etc') },
    to: '/',
    expect: ['a/ 755', 'a/x 644 X', 'b 777 -> a', 'host 777 -> /etc'],
  },
  'long and strange names': {
    tree: { [long]: file('L'), 'ü/日本 語': file('U'), 'new\nline': file('N'), 'quo"te\\': file('Q'), far: linkTo('é'.repeat(80)) },
    to: '/',
    expect: [
      `${'d'.repeat(90)}/ 755`,
      `${long} 644 L`,
      `far 777 -> ${'é'.repeat(80)}`,
      'new\nline 644 N',
      'quo"te\\ 644 Q',
      'ü/ 755',
      'ü/日本 語 644 U',
    ],
  },
  'names of 255 bytes within each other, and a link as long': {
    tree: { [longest.join('/')]: file('L'), z: linkTo(longest.join('/')) },
    to: '/',
    expect: [`${longest[0]}/ 755`, `${longest.slice(0, 2).join('/')}/ 755`, `${longest.join('/')} 644 L`, `z 777 -> ${longest.join('/')}`],
  },
  'a second name of a file, further down and with a long name': {
    tree: {
      'a/b': file('B'),
      [`c/${long}`]: (path) => link(join(path, '../../../a/b'), path),
    },
    to: '/',
    expect: ['a/ 755', 'a/b 644 B', 'c/ 755', `c/${'d'.repeat(90)}/ 755`, `c/${long} 644 == a/b`],
  },
  'an empty tree': { tree: {}, to: '/', expect: [] },
};

for (const [name, { tree, from = '.', to = '/', expect }] of Object.entries(trees)) {
  for (const after of [[], ['true']]) {
    test(`${name}, ${after.length === 0 ? 'from the tar' : 'from a sandbox'}`, async () => {
      await using source = await temporaryFolder();
      await using out = await temporaryFolder();
      await grow(source.path, tree);
      const image = await buildImage(planned([{ from, to, after }]), contextOf(source.path, out.path));
      assert.deepEqual(await listLayer(image, 0), expect);
    });
  }
}

for (const compression of ['gzip', 'zstd'] as const)
  test(`hard links, sparse files and large blocks, as tar and ${compression} read them`, async () => {
    await using source = await temporaryFolder();
    await using out = await temporaryFolder();
    const big = Buffer.alloc(3_500_000, 'waybill ');
    await writeFile(join(source.path, 'big'), big);
    await link(join(source.path, 'big'), join(source.path, 'same'));
    await writeFile(join(source.path, 'empty'), '');
    await link(join(source.path, 'empty'), join(source.path, 'void'));
    await writeFile(join(source.path, 'sparse'), 'x');
    await truncate(join(source.path, 'sparse'), 5_000_000);
    const images = [];
    for (const after of [[], ['cp -a . ../copy && cp -a ../copy/. . && rm -r ../copy']])
      images.push(
        await buildImage(
          planned([{ from: '.', to: '/', after }], { compression }),
          contextOf(source.path, join(out.path, String(after.length))),
        ),
      );
    assert.equal(images[0]?.digest, images[1]?.digest);
    const image = images[0];
    assert.ok(image?.layers[0]);
    const blob = blobPath(image.layout, image.layers[0].digest);
    const unpacked = join(out.path, 'layer.tar');
    await writeFile(unpacked, (compression === 'gzip' ? gunzipSync : zstdDecompressSync)(await readFile(blob)));
    if (compression === 'gzip') execFileSync('gzip', ['-t', '--stdout', blob], { stdio: ['ignore', 'ignore', 'inherit'] });
    const listing = execFileSync('tar', ['-tvf', unpacked], { encoding: 'utf8' });
    assert.match(listing, /3500000 .* big\n.* empty\n.* 0 .* same link to big\n.*5000000 .* sparse\n.* void link to empty\n/);
    execFileSync('tar', ['-xf', unpacked, '-C', out.path]);
    assert.ok((await readFile(join(out.path, 'same'))).equals(big));
    assert.equal((await stat(join(out.path, 'same'))).ino, (await stat(join(out.path, 'big'))).ino);
  });

test('a sparse file is a plain one: the layer is that of the same bytes on the disk', async () => {
  await using out = await temporaryFolder();
  const digests: string[] = [];
  for (const sparse of [true, false]) {
    await using source = await temporaryFolder();
    const path = join(source.path, 'f');
    if (!sparse) await writeFile(path, Buffer.concat([Buffer.from('x'), Buffer.alloc(4_999_999)]));
    else {
      await writeFile(path, 'x');
      await truncate(path, 5_000_000);
    }
    const context = contextOf(source.path, join(out.path, String(sparse)), {
      sandbox: async () => ({ folder: source.path, async [Symbol.asyncDispose]() {} }),
    });
    digests.push((await buildImage(planned([{ from: '.', to: '/', after: ['x'] }]), context)).digest);
  }
  assert.equal(new Set(digests).size, 1, digests.join(' '));
});

for (const compression of ['gzip', 'zstd'] as const)
  test(`${compression} gives the same bytes with 1, 2 and 4 threads, whether a layer is split or not`, async () => {
    await using source = await temporaryFolder();
    await using out = await temporaryFolder();
    for (let n = 0; n < 12; n++) {
      const path = join(source.path, `node_modules/p${n}`);
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'index.js'), Buffer.alloc(3_100_000, `package ${n} `));
    }
    for (const split of [true, false]) {
      const digests = new Set<string>();
      for (const concurrency of [1, 2, 4]) {
        const context = contextOf(source.path, join(out.path, `${split}-${concurrency}`), {
          concurrency,
          sandbox: async () => ({ folder: source.path, async [Symbol.asyncDispose]() {} }),
        });
        const image = await buildImage(planned([{ from: '.', to: '/', after: ['x'], split }], { compression }), context);
        assert.equal(image.layers.length > 1, split);
        digests.add(image.digest);
      }
      assert.equal(digests.size, 1, [...digests].join(' '));
    }
  });

test('owner and modes as the layer says, without set-uid bits', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  await grow(source.path, { 'd/run': file('', 0o4751), 'd/read': file('', 0o440) });
  await chmod(join(source.path, 'd'), 0o1770);
  const layers = [{ from: 'd', to: '/d', after: ['true'], owner: { uid: 65_532, gid: 3_000_000 }, modes: 'kept' as const }];
  const image = await buildImage(planned(layers, { compression: 'gzip', base: 'scratch' }), contextOf(source.path, out.path));
  assert.ok(image.layers[0]);
  const list = execFileSync('tar', ['-tvzf', blobPath(image.layout, image.layers[0].digest), '--numeric-owner'], { encoding: 'utf8' });
  assert.deepEqual(
    list
      .trim()
      .split('\n')
      .map((line) => line.replace(/ +\S+ \S+ \S+ /, ' ')),
    ['drwxrwx--T 65532/3000000 d/', '-r--r----- 65532/3000000 d/read', '-rwxr-x--x 65532/3000000 d/run'],
  );
});

test('a file above 8 GiB has its size in the header', async () => {
  using closing = new DisposableStack();
  const zeros = openSync('/dev/zero', 'r');
  closing.defer(() => closeSync(zeros));
  const size = 9 * 2 ** 30;
  const large: LayerEntry = {
    type: 'file',
    path: 'large',
    file: { size, mode: 0o644, source: { fd: zeros, at: 0, size } },
  };
  const [first] = tarBlocks([large], { mtime: new Date(0), owner: { uid: 0, gid: 0 }, modes: 'normal' });
  assert.ok(first);
  const reader = extract();
  const seen = new Promise<number | undefined>((resolve) => reader.once('entry', (header) => resolve(header.size)));
  reader.write(first);
  assert.equal(await seen, size);
  reader.destroy();
});

test('dependencies become layers of their own, one changed package changes one, and together they are the same tree', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  const packages = Array.from({ length: 40 }, (_, n) => (n % 4 === 0 ? `@scope/p${n}` : `p${n}`));
  for (const name of packages) {
    await mkdir(join(source.path, 'app/node_modules', name), { recursive: true });
    await writeFile(join(source.path, 'app/node_modules', name, 'index.js'), Buffer.alloc(1_000_000, name));
  }
  await grow(source.path, { 'app/src/main.js': file('main'), 'app/empty': folder, 'app/node_modules/.bin/p1': linkTo('../p1/index.js') });
  let builds = 0;
  const cache = join(out.path, 'cache');
  const build = async (split = true) => {
    const made: string[] = [];
    const context = contextOf(source.path, join(out.path, String(builds++)), {
      cache,
      onProgress: (event) => void (event.kind === 'layer' && !event.cached && made.push(event.layer.part ?? 'all')),
    });
    const image = await buildImage(planned([{ from: 'app', to: '/app', split }]), context);
    const lines = await Promise.all(image.layers.map((_, index) => listLayer(image, index)));
    return { image, made, lines };
  };
  const first = await build();
  assert.ok(first.image.layers.length > 4, String(first.image.layers.length));
  assert.equal(first.image.layers.at(-1)?.part, 'rest');
  assert.deepEqual(first.lines.at(-1), ['app/ 755', 'app/empty/ 755', 'app/src/ 755', 'app/src/main.js 644 main']);
  const whole = await build(false);
  assert.equal(whole.image.layers.length, 1);
  assert.deepEqual([...new Set(first.lines.flat())].sort(), [...(whole.lines[0] ?? [])].sort());

  const path = join(source.path, 'app/node_modules/p7/index.js');
  await writeFile(path, 'changed');
  const second = await build();
  assert.equal(second.made.length, 1);
  assert.match(second.made[0] ?? '', /^dependencies \d of 8$/);
  const ids = (image: BuiltImage) => image.layers.map((layer) => layer.diffId);
  assert.equal(ids(second.image).filter((id, index) => id !== ids(first.image)[index]).length, 1);
  assert.deepEqual((await build()).made, []);
});

test('several platforms become an index of one manifest each, with the layers that belong to it', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  await grow(source.path, { amd: file('x'), arm: file('y'), both: file('z') });
  const layers = [
    { from: 'amd', to: '/bin/app', platform: 'linux/amd64' },
    { from: 'arm', to: '/bin/app', platform: 'linux/arm/v7' },
    { from: 'both', to: '/etc/both' },
  ];
  const image = await buildImage(planned(layers, { platforms: ['linux/amd64', 'linux/arm/v7'] }), contextOf(source.path, out.path));
  const layout = await openLayout(image.layout);
  const index = await layout.manifest(image.digest);
  assert.ok(index.kind === 'index');
  assert.deepEqual(
    index.index.manifests.map(({ platform }) => platform),
    [
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm', os: 'linux', variant: 'v7' },
    ],
  );
  const [amd, arm, both] = image.layers.map((layer) => layer.digest);
  assert.deepEqual(
    image.manifests.map(({ manifest }) => manifest.layers.map((layer) => layer.digest)),
    [
      [amd, both],
      [arm, both],
    ],
  );
  const config = JSON.parse((await layout.readBlob(image.manifests[1]?.manifest.config.digest as Digest)).toString()) as object;
  assert.deepEqual(
    { ...config, config: 0, rootfs: 0, history: 0, created: 0 },
    {
      architecture: 'arm',
      os: 'linux',
      variant: 'v7',
      config: 0,
      rootfs: 0,
      history: 0,
      created: 0,
    },
  );
  const one = await buildImage(planned([{ from: 'both', to: '/b' }], { platforms: ['linux/arm64'] }), contextOf(source.path, out.path));
  assert.equal((await layout.manifest(one.digest)).kind, 'image');
});

test('two builds give one digest, whatever order, umask, times and concurrency they had', async () => {
  const content: Record<string, string> = { 'a/one': '1', 'a/two': '2', 'b-c': '3', 'b/c': '4', 'é/ü': '5', z: 'z'.repeat(2_500_000) };
  const digests: string[] = [];
  for (const [index, { order, mask, concurrency }] of [
    { order: Object.keys(content), mask: 0o022, concurrency: 1 },
    { order: Object.keys(content).toReversed(), mask: 0o077, concurrency: 4 },
    { order: Object.keys(content), mask: 0o002, concurrency: 16 },
  ].entries()) {
    await using source = await temporaryFolder();
    await using out = await temporaryFolder();
    const before = process.umask(mask);
    try {
      await grow(
        source.path,
        Object.fromEntries(order.map((path) => [path, async (to: string) => await writeFile(to, content[path] ?? '')])),
      );
      await symlink('z', join(source.path, 'link'));
      await writeFile(join(source.path, 'run'), '#!/bin/sh\n', { mode: 0o777 });
    } finally {
      process.umask(before);
    }
    await utimes(join(source.path, 'a/one'), index * 1000, index * 1000);
    await lutimes(join(source.path, 'link'), index * 1000, index * 1000);
    const layers = [
      { from: 'a', to: '/a' },
      { from: '.', to: '/all', after: ['touch -d 2001-01-01 z'] },
    ];
    const plan = planned(layers, { config: { labels: index === 1 ? { b: '2', a: '1' } : { a: '1', b: '2' } } });
    digests.push((await buildImage(plan, contextOf(source.path, out.path, { concurrency }))).digest);
  }
  assert.equal(new Set(digests).size, 1, digests.join(' '));
});

const refusals: Record<string, { tree?: Record<string, Make>; after?: string; from?: string; to?: string; code: string; says: RegExp }> = {
  'a missing path': { from: 'dist', to: '/app', code: 'NOT_FOUND', says: /layer dist → \/app of image shop: there is no "dist"/ },
  'a path that leads out': { from: '../etc', code: 'IMAGE_LAYER_INVALID', says: /must not hold/ },
  'an absolute path': { from: '/etc', code: 'IMAGE_LAYER_INVALID', says: /path in the tree/ },
  'a target that leads out': { to: '/app/../../etc', code: 'IMAGE_LAYER_INVALID', says: /must not hold/ },
  'a target that is not absolute': { to: 'app', code: 'IMAGE_LAYER_INVALID', says: /absolute/ },
  'a link instead of the folder': {
    tree: { dist: linkTo('/etc') },
    from: 'dist',
    code: 'IMAGE_LAYER_INVALID',
    says: /"dist" is a symbolic link/,
  },
  'a link within the path': {
    tree: { dist: linkTo('/etc') },
    from: 'dist/ssl',
    code: 'IMAGE_LAYER_INVALID',
    says: /"dist" is a symbolic link/,
  },
  'a link within the tree': {
    tree: { a: file(''), b: linkTo('a') },
    from: 'b',
    code: 'IMAGE_LAYER_INVALID',
    says: /name what it points to/,
  },
  'a folder swapped for a link by the commands': {
    tree: { 'dist/x': file('') },
    after: 'rm -r dist && ln -s /etc dist',
    from: 'dist',
    code: 'IMAGE_LAYER_INVALID',
    says: /"dist" is a symbolic link/,
  },
  'a file on the way': { tree: { a: file('') }, from: 'a/b', code: 'IMAGE_LAYER_INVALID', says: /"a" is no folder/ },
  'a FIFO': { after: 'mkfifo pipe', code: 'IMAGE_LAYER_INVALID', says: /"pipe" is a FIFO/ },
  'a FIFO as the path itself': {
    after: 'mkfifo pipe',
    from: 'pipe',
    code: 'IMAGE_LAYER_INVALID',
    says: /is a FIFO/,
  },
  'a whiteout': { tree: { 'a/.wh.etc': file('') }, code: 'IMAGE_LAYER_INVALID', says: /"a\/\.wh\.etc" begins with `\.wh\.`/ },
  'an opaque whiteout from a sandbox': { after: 'touch .wh..wh..opq', code: 'IMAGE_LAYER_INVALID', says: /deletion/ },
  'a name that is not UTF-8': { after: `printf x > "$(printf 'a\\377')"`, code: 'IMAGE_LAYER_INVALID', says: /not UTF-8/ },
  'a link whose target is not UTF-8': { after: `ln -s "$(printf 'a\\377')" l`, code: 'IMAGE_LAYER_INVALID', says: /no valid text/ },
};

for (const [name, { tree = {}, after, from = '.', to = '/', code, says }] of Object.entries(refusals)) {
  test(`refuses ${name}`, async () => {
    await using source = await temporaryFolder();
    await using out = await temporaryFolder();
    await grow(source.path, tree);
    const build = buildImage(planned([{ from, to, after: after === undefined ? [] : [after] }]), contextOf(source.path, out.path));
    await assert.rejects(build, (error) => isWaybillError(error) && error.code === code && says.test(error.detail));
  });
}

test('refuses a socket, and a path that the sandbox filled with one', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(source.path, 'sock'), resolve));
  try {
    const context = contextOf(source.path, out.path, { sandbox: async () => ({ folder: source.path, async [Symbol.asyncDispose]() {} }) });
    await assert.rejects(buildImage(planned([{ from: '.', to: '/', after: ['x'] }]), context), /"sock" is a socket/);
  } finally {
    server.close();
  }
});

test('limits hold: bytes, entries, depth and paths', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  await grow(source.path, { 'a/b/c/d': file('12345'), e: file('12345') });
  for (const limits of [{ bytes: 9 }, { entries: 3 }, { depth: 2 }, { path: 6 }]) {
    for (const after of [[], ['true']]) {
      const build = buildImage(planned([{ from: '.', to: '/', after }]), contextOf(source.path, out.path, { limits }));
      await assert.rejects(build, (error) => isWaybillError(error, 'LIMIT_EXCEEDED'), `${JSON.stringify(limits)} ${after.length}`);
    }
  }
});

const badTars: Record<string, (tar: Buffer) => Buffer> = {
  'cut off within a file': (tar) => tar.subarray(0, 700),
  'cut off between two files': (tar) => tar.subarray(0, 1024),
  empty: () => Buffer.alloc(0),
  'not a tar': () => Buffer.alloc(4096, 'x'),
};
for (const [name, spoil] of Object.entries(badTars)) {
  test(`refuses a source that is ${name}`, async () => {
    await using source = await temporaryFolder();
    await using out = await temporaryFolder();
    await grow(source.path, { a: file('A'.repeat(400)), b: file('B') });
    const whole = Buffer.concat(await tarOf(source.path).toArray());
    const context = contextOf(source.path, out.path, { source: async () => Readable.from([spoil(whole)]) });
    await assert.rejects(buildImage(planned([{ from: '.', to: '/' }]), context), (error) => isWaybillError(error, 'IMAGE_LAYER_INVALID'));
  });
}

test('an abort and a deadline end the build with their own reason', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  await grow(source.path, { a: file('A') });
  const stuck = { source: async () => new Readable({ read() {} }) };
  const plan = planned([{ from: '.', to: '/' }]);
  await assert.rejects(buildImage({ ...plan, timeoutMs: 50 }, contextOf(source.path, out.path, stuck)), (error) =>
    isWaybillError(error, 'DEADLINE_EXCEEDED'),
  );
  const reason = new Error('stopped by the test');
  const stop = new AbortController();
  const build = buildImage(plan, contextOf(source.path, out.path, { ...stuck, signal: stop.signal }));
  setTimeout(() => stop.abort(reason), 50);
  await assert.rejects(build, reason);
});

test('layers with the same commands share one sandbox; the order of the file is the order of the image', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  await grow(source.path, { a: file('A') });
  const context = contextOf(source.path, out.path);
  let runs = 0;
  const counting = { ...context, sandbox: (...given: Parameters<typeof context.sandbox>) => (runs++, context.sandbox(...given)) };
  const make = ['mkdir x y', 'echo 1 > x/f', 'echo 2 > y/f'];
  const layers = [
    { from: 'x', to: '/x', after: make },
    { from: 'a', to: '/a' },
    { from: 'y', to: '/y', after: make },
  ];
  const image = await buildImage(planned(layers), counting);
  assert.equal(runs, 1);
  assert.deepEqual(
    image.layers.map((layer) => layer.from),
    ['x', 'a', 'y'],
  );
  await assert.rejects(readFile(join(source.path, 'x/f')), /ENOENT/, 'the tree itself is untouched');
});
