import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { WaybillError } from '../../kernel/error.ts';
import { gaps, imageOf, layerOf, link, purls, scanned, secret, symlink, tarOf, type Tree } from './test-image.ts';

const debian = 'PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n';
const dpkg = (...names: string[]) =>
  names
    .map((name) => `Package: ${name}\nStatus: install ok installed\nVersion: 1.0-1\nSource: ${name}-src (1.0)\nDescription: x\n y\n`)
    .join('\n');
const npm = (name: string, version = '1.0.0') => JSON.stringify({ name, version });
const habits = async (layers: readonly Tree[]) => (await scanned(layers)).report.findings.map((finding) => finding.key).toSorted();

suite('packages of the system', () => {
  test('dpkg: what is removed is not there; source packages; the release of a link', async () => {
    const status = `${dpkg('libc6')}
Package: gone
Status: deinstall ok config-files
Version: 1

Package: never
Status: unknown ok not-installed

Package: half
Status: install ok half-configured
Version: 2
`;
    const { inventory, report } = await scanned([
      { 'etc/os-release': symlink('../usr/lib/os-release'), 'usr/lib/os-release': debian, 'var/lib/dpkg/status': status },
    ]);
    assert.deepEqual(
      inventory.components.map(({ ecosystem, name, version, source }) => [ecosystem, name, version, source?.name, source?.version]),
      [
        ['Debian:12', 'half', '2', 'half', '2'],
        ['Debian:12', 'libc6', '1.0-1', 'libc6-src', '1.0'],
      ],
    );
    assert.deepEqual(gaps(report), []);
    // No advisories for this release: the gate must not take that for "none apply".
    assert.deepEqual(
      report.coverage.databases?.map(({ ecosystem, advisories }) => [ecosystem, advisories]),
      [['Debian:12', 0]],
    );
  });

  test('os-release through links of any depth, and a loop of them', async () => {
    const found = async (tree: Tree) => (await scanned([{ 'var/lib/dpkg/status': dpkg('a'), ...tree }])).inventory.components[0]?.ecosystem;
    assert.equal(
      await found({
        'etc/os-release': symlink('/usr/lib/os-release'),
        'usr/lib/os-release': symlink('./os.release.d/os-release-ubuntu'),
        'usr/lib/os.release.d/os-release-ubuntu': 'ID=ubuntu\nVERSION_ID=24.04\n',
      }),
      'Ubuntu:24.04',
    );
    assert.match((await found({ 'etc/os-release': symlink('os-release') })) ?? '', /without os-release/);
    assert.match((await found({ 'etc/os-release': 'ID=__proto__\n' })) ?? '', /without os-release/);
  });

  test('apk, distroless folders, a system whose advisories nobody has', async () => {
    const apk = 'C:Q1x=\nP:musl\nV:1.2.4-r2\no:musl-src\nF:lib\n\nP:zlib\nV:1.3-r0\n\n';
    const alpine = await scanned([{ 'etc/os-release': 'ID=alpine\nVERSION_ID=3.20.3\n', 'lib/apk/db/installed': apk }]);
    assert.deepEqual(
      alpine.inventory.components.map(({ ecosystem, purl, source }) => [ecosystem, purl, source?.name]),
      [
        ['Alpine:v3.20', 'pkg:apk/alpine/musl@1.2.4-r2', 'musl-src'],
        ['Alpine:v3.20', 'pkg:apk/alpine/zlib@1.3-r0', 'zlib'],
      ],
    );
    const distroless = await scanned([
      {
        'usr/lib/os-release': debian,
        'var/lib/dpkg/status.d/base': 'Package: base-files\nVersion: 12\n',
        'var/lib/dpkg/status.d/base.md5sums': 'x',
      },
    ]);
    assert.deepEqual(purls(distroless.inventory), ['pkg:deb/debian/base-files@12']);
    const kali = await scanned([{ 'etc/os-release': 'ID=kali\nVERSION_ID=1\n', 'var/lib/dpkg/status': dpkg('a') }]);
    assert.deepEqual(
      kali.report.coverage.databases?.map(({ ecosystem, advisories }) => [ecosystem, advisories]),
      [['kali', 0]],
    );
  });

  for (const [what, tree, expected] of [
    [
      'the database of rpm',
      { 'etc/os-release': 'ID=fedora\n', 'usr/lib/sysimage/rpm/rpmdb.sqlite': 'x' },
      'usr/lib/sysimage/rpm/rpmdb.sqlite unknown-format',
    ],
    ['a system without a database', { 'etc/os-release': debian }, 'etc/os-release unknown-format'],
    ['a database that is empty', { 'etc/os-release': debian, 'var/lib/dpkg/status': '' }, 'etc/os-release unknown-format'],
    ['a package without a version', { 'var/lib/dpkg/status': 'Package: a\n' }, 'var/lib/dpkg/status unknown-format'],
    ['a database behind a link', { 'var/lib/dpkg': symlink('/opt/dpkg'), 'opt/dpkg/status': dpkg('a') }, 'var/lib/dpkg unreadable'],
    ['packages behind a link', { 'app/node_modules': symlink('../deps'), 'deps/a/package.json': npm('a') }, 'app/node_modules unreadable'],
    ['a database that is too large', { 'var/lib/dpkg/status': Buffer.alloc(64 * 2 ** 20 + 1) }, 'var/lib/dpkg/status limit'],
  ] as readonly (readonly [string, Tree, string])[])
    test(`a gap: ${what}`, async () => {
      assert.deepEqual(gaps((await scanned([tree])).report), [expected]);
    });

  test('links that lead to where packages are looked for are no gap', async () => {
    const { report, inventory } = await scanned([
      {
        lib: symlink('usr/lib'),
        'usr/lib/apk/db/installed': 'P:a\nV:1\n',
        'etc/os-release': 'ID=alpine\nVERSION_ID=3.20.1\n',
        'app/node_modules': symlink('/srv/node_modules'),
        'srv/node_modules/a/package.json': npm('a'),
      },
    ]);
    assert.deepEqual(purls(inventory), ['pkg:apk/alpine/a@1', 'pkg:npm/a@1.0.0']);
    assert.deepEqual(gaps(report), []);
  });

  test('lines without end and files of line ends cost no more than their bytes', async () => {
    const { inventory } = await scanned([
      {
        'var/lib/dpkg/status': Buffer.concat([
          Buffer.alloc(2 * 2 ** 20, 0x0a),
          Buffer.from(dpkg('a')),
          Buffer.from(`X: ${'y'.repeat(5 * 2 ** 20)}\n`),
        ]),
      },
    ]);
    assert.deepEqual(
      inventory.components.map(({ name }) => name),
      ['a'],
    );
  });
});

suite('the last state of the file system', () => {
  const a = { 'app/node_modules/a/package.json': npm('a') };
  for (const [what, upper, expected] of [
    ['a whiteout of a file', { 'app/node_modules/a/.wh.package.json': '' }, []],
    ['a whiteout of a folder', { '.wh.app': '' }, []],
    ['a whiteout of something else', { '.wh.ap': '', '.wh.app2': '' }, ['a']],
    ['an opaque folder', { 'app/node_modules/.wh..wh..opq': '' }, []],
    ['an opaque root', { '.wh..wh..opq': '' }, []],
    [
      'an opaque folder with something new, before it',
      { 'app/node_modules/.wh..wh..opq': '', 'app/node_modules/b/package.json': npm('b') },
      ['b'],
    ],
    [
      'an opaque folder with something new, behind it',
      { 'app/node_modules/b/package.json': npm('b'), 'app/node_modules/.wh..wh..opq': '' },
      ['b'],
    ],
    ['a whiteout beside what comes instead', { '.wh.app': '', 'app/node_modules/b/package.json': npm('b') }, ['b']],
    ['a file in place of the folder', { app: 'a file' }, []],
    ['a link in place of the folder', { 'app/node_modules': symlink('/elsewhere') }, []],
    ['the folder again', { 'app/': '', 'app/node_modules/': '' }, ['a']],
    ['a folder in place of the file', { 'app/node_modules/a/package.json/': '' }, []],
    ['another version', { 'app/node_modules/a/package.json': npm('a', '2.0.0') }, ['a@2']],
    ['what AUFS kept for itself', { '.wh..wh.plnk/': '', '.wh..wh.aufs': '' }, ['a']],
    ['a path that leads out', { '../../.wh.app': '' }, []],
    ['a path with dots', { './/x/../.wh.app': '' }, []],
  ] as readonly (readonly [string, Tree, readonly string[]])[])
    test(what, async () => {
      const { inventory } = await scanned([a, upper]);
      assert.deepEqual(
        purls(inventory),
        expected.map((name) => `pkg:npm/${name.includes('@') ? `${name}.0.0` : `${name}@1.0.0`}`),
      );
    });

  test('a file that became a folder and a file again', async () => {
    const { inventory } = await scanned([
      { 'opt/node_modules/a/package.json': npm('a') },
      { 'opt/node_modules/a/package.json/': '', 'opt/node_modules/a/package.json/node_modules/b/package.json': npm('b') },
      { 'opt/node_modules/a/package.json': npm('a', '3.0.0') },
    ]);
    assert.deepEqual(purls(inventory), ['pkg:npm/a@3.0.0']);
  });

  test('hard links are what they lead to, also when that is known by no name or is hidden later', async () => {
    const { inventory, report } = await scanned([
      { 'store/ab/cdef': npm('linked'), 'app/node_modules/linked/package.json': link('store/ab/cdef') },
      { '.wh.store': '' },
    ]);
    assert.deepEqual(purls(inventory), ['pkg:npm/linked@1.0.0']);
    assert.deepEqual(gaps(report), []);
    assert.deepEqual(inventory.components[0]?.places[0]?.path, 'app/node_modules/linked/package.json');
    assert.deepEqual(gaps((await scanned([{ 'app/node_modules/x/package.json': link('nowhere') }])).report), [
      'app/node_modules/x/package.json unreadable',
    ]);
  });

  test('only what is there in the end is a gap', async () => {
    const broken: Tree = { 'app/package-lock.json': '{', 'x.zip': Buffer.from('PK\x03\x04 broken') };
    const there = await scanned([broken]);
    assert.deepEqual(gaps(there.report).toSorted(), ['app/package-lock.json unknown-format', 'x.zip unreadable']);
    const hidden = await scanned([broken, { '.wh.app': '', '.wh.x.zip': '' }]);
    assert.deepEqual(gaps(hidden.report), []);
    assert.match(hidden.report.coverage.skipped.find(({ path }) => path === 'x.zip')?.detail ?? '', /a later layer hides it/);
  });
});

suite('credentials', () => {
  test('of a lower layer are found although they are hidden, with their layer and what to do', async () => {
    const lower = await layerOf({ 'root/.env': `TOKEN=${secret}\n` }, { createdBy: 'COPY .env /root/' });
    const { report } = await scanned(imageOf([lower, await layerOf({ 'root/.wh..env': '' })]));
    assert.equal(report.findings.length, 1);
    const [finding] = report.findings;
    assert.deepEqual(finding?.places[0]?.layer, { digest: lower.digest, createdBy: 'COPY .env /root/' });
    assert.match(finding?.fix ?? '', /later layer hides it/);
    const shown = await scanned(imageOf([lower]));
    assert.doesNotMatch(shown.report.findings[0]?.fix ?? '', /later layer hides it/);
  });

  test('in the configuration, in whiteouts with content, and in archives; their values are nowhere in the report', async () => {
    const layer = await layerOf(
      { 'a/.wh.b': `t=${secret}`, 'c.tar.gz': gzipSync(await tarOf({ inner: `t=${secret}` })) },
      { createdBy: `RUN |1 TOKEN=${secret} /bin/sh -c npm ci` },
    );
    const { report } = await scanned(imageOf([layer], { configText: JSON.stringify({ config: { Env: [`TOKEN=${secret}`] } }) }));
    const places = report.findings.flatMap((finding) => finding.places);
    assert.deepEqual(places.map(({ path }) => path).toSorted(), ['a/.wh.b', 'c.tar.gz → c.tar → inner', 'the configuration of the image']);
    assert.doesNotMatch(JSON.stringify(report), new RegExp(secret.slice(4, 20)));
    assert.match(places.find(({ layer: at }) => at)?.layer?.createdBy ?? '', /instruction 1, which holds a credential/);
  });

  test('across the pieces of a large file, in any compression', async () => {
    const content = Buffer.alloc(9 * 2 ** 20, 'line of text\n');
    content.write(`TOKEN=${secret}\n`, 4 * 2 ** 20 - 20);
    for (const as of ['plain', 'gzip', 'zstd'] as const) {
      const { report } = await scanned(imageOf([await layerOf({ 'big.txt': content }, { as })]));
      assert.equal(report.findings.length, 1, as);
      assert.equal(report.coverage.bytes, content.length + 2);
    }
  });

  test('a layer of two platforms is looked through once, and changes both', async () => {
    const app = await layerOf({ 'app/.env': `T=${secret}`, 'app/node_modules/a/package.json': npm('a') });
    const platform = (layers: Awaited<ReturnType<typeof layerOf>>[]) => imageOf(layers).platforms[0];
    const one = platform([app]);
    const two = platform([await layerOf({ 'usr/bin/sh': 'x' }), app, await layerOf({ '.wh.app': '' })]);
    assert.ok(one && two);
    const { report, inventory } = await scanned({ ...imageOf([]), platforms: [one, two] });
    assert.deepEqual(purls(inventory), ['pkg:npm/a@1.0.0']);
    assert.equal(report.findings.filter(({ kind }) => kind === 'secret').length, 1);
    assert.doesNotMatch(report.findings[0]?.fix ?? '', /later layer hides it/);
  });
});

suite('habits', () => {
  const mode = (bits: number) => ['x', { mode: bits }] as const;
  test('set-uid and set-gid files, shells, package managers; those of the last state alone', async () => {
    const tree: Tree = {
      'usr/bin/su': mode(0o4755),
      'usr/bin/wall': mode(0o2755),
      'tmp/': ['', { mode: 0o3777 }],
      'bin/busybox': mode(0o755),
      'bin/sh': symlink('busybox'),
      'usr/bin/apt-get': mode(0o755),
      'usr/local/lib/node_modules/npm/bin/npm-cli.js': mode(0o755),
      'usr/bin/sudo-link': ['', { type: 'link', linkname: 'usr/bin/su', mode: 0o4755 }],
    };
    assert.deepEqual(await habits([tree]), [
      'image:package-manager:usr/bin/apt-get',
      'image:package-manager:usr/local/lib/node_modules/npm/bin/npm-cli.js',
      'image:setgid:usr/bin/wall',
      'image:setuid:usr/bin/su',
      'image:setuid:usr/bin/sudo-link',
      'image:shell:bin/busybox',
    ]);
    assert.deepEqual(await habits([tree, { 'usr/bin/su': mode(0o755), '.wh.bin': '', 'usr/bin/.wh..wh..opq': '' }]), [
      'image:package-manager:usr/local/lib/node_modules/npm/bin/npm-cli.js',
    ]);
  });

  for (const [user, root] of [
    [undefined, true],
    ['', true],
    ['0', true],
    ['000', true],
    ['root', true],
    ['root:app', true],
    ['0:1000', true],
    [':1000', true],
    ['1000', false],
    ['app', false],
    ['app:0', false],
  ] as const)
    test(`the user ${JSON.stringify(user)} is ${root ? '' : 'not '}root`, async () => {
      const { report } = await scanned(imageOf([await layerOf({ a: 'b' })], { user }));
      assert.equal(
        report.findings.some(({ key }) => key.startsWith('image:root-user:')),
        root,
      );
    });
});

suite('a layer that cannot be read is never one in which nothing is', () => {
  const tar = () => tarOf({ 'a.txt': 'x'.repeat(100_000), b: 'y' });
  test('a wrong or unknown media type', async () => {
    for (const mediaType of [
      'application/vnd.oci.image.layer.v1.tar+gzip',
      'application/vnd.oci.image.layer.v1.tar+zstd',
      'application/vnd.oci.image.layer.v1.tar+encrypted',
      'text/plain',
    ])
      await assert.rejects(scanned(imageOf([await layerOf(await tar(), { mediaType })])), { code: 'INVALID_INPUT' }, mediaType);
    const packed = gzipSync(await tar());
    await assert.rejects(scanned([packed]), { code: 'INVALID_INPUT' });
  });

  test('a damaged, a cut off, an empty one', async () => {
    for (const as of ['gzip', 'zstd', 'plain'] as const) {
      const { mediaType, open } = await layerOf(await tar(), { as });
      const whole = Buffer.concat(await (await open()).toArray());
      for (const bytes of [
        whole.subarray(0, whole.length >> 1),
        Buffer.alloc(0),
        Buffer.concat([whole.subarray(0, 40), Buffer.alloc(whole.length - 40, 0x55)]),
      ])
        await assert.rejects(
          scanned(imageOf([await layerOf({}, { mediaType, open: async () => Readable.from([bytes]) })])),
          { code: 'INVALID_INPUT' },
          `${as} ${bytes.length}`,
        );
    }
  });

  test('one whose stream says in the middle of a file, or at its end, that it is not what its digest says', async () => {
    const bytes = await tar();
    for (const at of [50_000, bytes.length])
      await assert.rejects(
        scanned(
          imageOf([
            await layerOf(bytes, {
              open: async () =>
                Readable.from(
                  (async function* () {
                    yield bytes.subarray(0, at);
                    throw new WaybillError('INVALID_INPUT', 'its content is not what its digest says');
                  })(),
                ),
            }),
          ]),
        ),
        { code: 'INVALID_INPUT', message: /not what its digest says/ },
        String(at),
      );
  });

  test('one that cannot be opened, an image for no platform', async () => {
    const layer = await layerOf(await tar(), { open: () => Promise.reject(new WaybillError('REGISTRY_FAILED', 'no')) });
    await assert.rejects(scanned(imageOf([layer])), { code: 'REGISTRY_FAILED' });
    await assert.rejects(scanned({ ...imageOf([]), platforms: [] }), { code: 'INVALID_INPUT' });
  });

  test('several frames of gzip and zstd are one stream', async () => {
    const bytes = await tarOf({ a: 'first', 'app/node_modules/last/package.json': npm('last') });
    for (const as of ['gzip', 'zstd'] as const) {
      const parts = await Promise.all([bytes.subarray(0, 700), bytes.subarray(700)].map((part) => layerOf(part, { as })));
      const frames = await Promise.all(parts.map(async (part) => Buffer.concat(await (await part.open()).toArray())));
      const [first] = parts;
      assert.ok(first);
      const layer = { ...first, open: async () => Readable.from([Buffer.concat(frames)]) };
      assert.deepEqual(purls((await scanned(imageOf([layer]))).inventory), ['pkg:npm/last@1.0.0'], as);
    }
  });

  test('bombs, endless archives and millions of entries end at the budget', async () => {
    const zeroes = gzipSync(Buffer.alloc(32 * 2 ** 20));
    const bomb = await layerOf({}, { as: 'gzip', open: async () => Readable.from([zeroes]) });
    await assert.rejects(scanned(imageOf([bomb]), { budget: { bytes: 10 * 2 ** 20, entries: 10 } }), { code: 'LIMIT_EXCEEDED' });
    const one = (await tarOf({ f: 'x' })).subarray(0, 1024);
    const endless = await layerOf(
      {},
      {
        open: async () =>
          Readable.from(
            (function* () {
              for (;;) yield one;
            })(),
          ),
      },
    );
    await assert.rejects(scanned(imageOf([endless]), { budget: { bytes: 2 ** 40, entries: 5_000 } }), { code: 'LIMIT_EXCEEDED' });
    await assert.rejects(scanned(imageOf([endless]), { signal: AbortSignal.timeout(300) }), { name: /TimeoutError|WaybillError/ });
  });

  test('paths without end, and whiteouts of nothing', async () => {
    await assert.rejects(scanned([{ ['d/'.repeat(3000)]: '' }]), { code: 'INVALID_INPUT' });
    await assert.rejects(scanned([{ 'a/.wh.': '' }]), { code: 'INVALID_INPUT' });
    await assert.rejects(scanned([{ 'a/.wh...': '' }]), { code: 'INVALID_INPUT' });
  });

  test('bombs in files of a layer are gaps, and the rest is read', async () => {
    const bomb = gzipSync(Buffer.alloc(140 * 2 ** 20), { level: 1 });
    const { report, inventory } = await scanned([{ 'bomb.gz': bomb, 'app/node_modules/a/package.json': npm('a') }]);
    assert.deepEqual(purls(inventory), ['pkg:npm/a@1.0.0']);
    assert.ok(gaps(report).some((gap) => gap.startsWith('bomb.gz')));
  });

  test('a file above the limit of the engine ends neither the layer nor what comes behind it', async () => {
    const { report, inventory } = await scanned([
      { 'big.bin': Buffer.alloc(140 * 2 ** 20, 1), 'app/node_modules/a/package.json': npm('a') },
    ]);
    assert.deepEqual(purls(inventory), ['pkg:npm/a@1.0.0']);
    assert.deepEqual(gaps(report), ['big.bin limit']);
  });
});
