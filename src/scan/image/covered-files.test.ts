import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';
import { systemClock } from '../../kernel/clock.ts';
import { openDatabase } from '../advisories/database.ts';
import { folderSource } from '../advisories/folder-source.ts';
import { updateDatabase } from '../advisories/update.ts';
import { keysOf } from '../gate.ts';
import { gaps, imageOf, layerOf, link, scanned, type Tree } from './test-image.ts';
import { writeZip } from '../advisories/zip.fixture.ts';

const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');
const sha1 = (bytes: Buffer) => createHash('sha1').update(bytes).digest('base64');

/** A program of Go 1.20, with its note and without a list of modules. */
const program = (() => {
  const head = Buffer.alloc(32);
  head.write('\xff Go buildinf:', 0, 'latin1');
  head[14] = 8;
  head[15] = 2;
  const note = Buffer.from('040000005300000004000000476f0000', 'hex');
  return Buffer.concat([
    Buffer.from('7f454c46', 'hex'),
    Buffer.alloc(60),
    note,
    Buffer.alloc(48),
    head,
    Buffer.from('\x06go1.20'),
    Buffer.alloc(4096),
  ]);
})();

const debian = 'ID=debian\nVERSION_ID="12"\n';
const team = 'Debian Go Packaging Team <team+pkg-go@tracker.debian.org>';
const status = (name: string, maintainer: string, source = name) =>
  `Package: ${name}\nStatus: install ok installed\nMaintainer: ${maintainer}\nSource: ${source}\nVersion: 1.2-3\n`;
const debianWith = (maintainer: string, name = 'tool', file = 'usr/bin/tool', bytes = program): Tree => ({
  'etc/os-release': debian,
  [file]: [bytes, { mode: 0o755 }],
  'var/lib/dpkg/status': status(name, maintainer),
  [`var/lib/dpkg/info/${name}.md5sums`]: `${md5(Buffer.from('doc'))}  usr/share/doc/tool\n${md5(bytes)}  ${file}\n`,
});

suite('programs that a package of the distribution has brought', () => {
  let root = '';
  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'waybill-covered-'));
    const records = path.join(root, 'records');
    await mkdir(records);
    for (const [id, ecosystem, name] of [
      ['DEBIAN-CVE-2099-1', 'Debian:12', 'known-tool'],
      ['ALPINE-CVE-2099-2', 'Alpine:v3.20', 'openjdk17'],
    ] as const)
      await writeFile(
        path.join(records, `${id}.json`),
        JSON.stringify({
          id,
          modified: '2026-01-01T00:00:00Z',
          affected: [{ package: { ecosystem, name }, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: '0.1' }] }] }],
        }),
      );
    const source = folderSource(records);
    const signal = AbortSignal.timeout(60_000);
    await updateDatabase({ folder: path.join(root, 'db'), source, ecosystems: ['Debian', 'Alpine'], clock: systemClock, signal });
  });
  after(() => rm(root, { recursive: true, force: true }));

  const scan = async (...layers: readonly Tree[]) => {
    using database = await openDatabase(path.join(root, 'db'));
    const { report, unread } = await scanned(imageOf(await Promise.all(layers.map((layer) => layerOf(layer)))), { database });
    const covered = report.coverage.skipped.filter(({ reason }) => reason === 'covered');
    const open = report.coverage.skipped.filter(({ reason }) => reason === 'unknown-format').map(({ detail }) => detail);
    return { covered: covered.map(({ path: at, detail }) => `${at}: ${detail}`), open, gaps: gaps(report), unread, keys: keysOf(report) };
  };

  test('is no gap, is told with the package, and fails nothing', async () => {
    const found = await scan(debianWith(team));
    assert.deepEqual(found.covered, [
      'usr/bin/tool: a program that Go has built without modules: what it consists of is not in it; covered by the package tool 1.2-3, whose advisories are looked up',
    ]);
    assert.deepEqual([found.gaps, found.unread], [[], []]);
    assert.ok(![...found.keys].some((key) => key.startsWith('gap:')));
  });

  const outside = 'Vendor <support@vendor.example>';
  for (const [what, layers, why] of [
    ['a program that nobody has installed', [{ ...debianWith(team), 'usr/local/bin/tool': program }], /^a program[^;]*$/],
    [
      'one that was replaced later',
      [debianWith(team), { 'usr/bin/tool': Buffer.concat([program, Buffer.from('x')]) }],
      /; the package tool 1\.2-3 has installed another file there$/,
    ],
    [
      'one of a vendor’s own package',
      [debianWith(outside)],
      /; the package tool 1\.2-3 has installed it, which is not known to be of Debian/,
    ],
    ['one of a maintainer who only looks like Debian’s', [debianWith('a <a@debian.org.example>')], /not known to be of Debian/],
    ['one of a maintainer at another domain', [debianWith('a <a@notdebian.org>')], /not known to be of Debian/],
    [
      'one whose package was removed',
      [{ ...debianWith(team), 'var/lib/dpkg/status': status('other', team) }],
      /; the package tool has it, and is not installed/,
    ],
    [
      'one of a release without advisories',
      [{ ...debianWith(team), 'etc/os-release': 'ID=debian\nVERSION_ID="99"\n' }],
      /no advisories for Debian:99$/,
    ],
    ['one of a system without advisories', [{ ...debianWith(team), 'etc/os-release': 'ID=kali\n' }], /no advisories for kali:$/],
  ] as readonly (readonly [string, readonly Tree[], RegExp])[])
    test(`stays a gap: ${what}`, async () => {
      const found = await scan(...layers);
      const open = found.open.filter((detail) => detail.startsWith('a program'));
      assert.equal(open.length, 1);
      assert.match(open[0] ?? '', why);
      assert.equal(found.unread.length, 1);
    });

  test('a package of which the advisories speak, whoever maintains it', async () => {
    assert.equal((await scan(debianWith('Somebody <x@gmail.example>', 'known-tool'))).covered.length, 1);
  });

  test('whatever layer the list is in, behind moved folders, by a hard link, for an architecture, in distroless images', async () => {
    const { 'var/lib/dpkg/info/tool.md5sums': sums = '', 'usr/bin/tool': tool = '', ...rest } = debianWith(team);
    const moved = String(sums).replace('  usr/bin', '  bin');
    for (const layers of [
      [{ 'usr/bin/tool': tool }, { ...rest, 'var/lib/dpkg/info/tool.md5sums': sums }],
      [{ ...rest, 'usr/bin/tool': tool, 'var/lib/dpkg/info/tool:amd64.md5sums': moved }],
      [{ ...rest, 'usr/share/x': tool, 'usr/bin/tool': link('usr/share/x'), 'usr/share/y': 'y', 'var/lib/dpkg/info/tool.md5sums': sums }],
      [
        {
          'etc/os-release': debian,
          'usr/bin/tool': tool,
          'var/lib/dpkg/status.d/tool': status('tool', team),
          'var/lib/dpkg/status.d/tool.md5sums': sums,
        },
      ],
    ] as readonly (readonly Tree[])[]) {
      const { covered } = await scan(...layers);
      assert.ok(
        covered.some((each) => each.startsWith('usr/bin/tool: ')),
        JSON.stringify(layers.map((layer) => Object.keys(layer))),
      );
    }
  });

  test('a list that is one too many answers for nothing', async () => {
    using database = await openDatabase(path.join(root, 'db'));
    const image = imageOf([await layerOf(debianWith(team))]);
    const { unread } = await scanned(image, { database, budget: { bytes: 2 ** 30, entries: 100, lists: 50 } });
    assert.equal(unread.length, 1);
  });

  test('Java archives of Alpine, by the database of apk', async () => {
    const file = path.join(root, 'jrt-fs.jar');
    await writeZip(file, [{ name: 'A.class', content: 'x' }]);
    const jar = await readFile(file);
    const apk = (sum: string) =>
      `P:openjdk17\nV:17.0.1-r0\nF:usr\nF:usr/lib/jvm\nM:0:0:755\nR:other.jar\nZ:Q1AAAA\nR:jrt-fs.jar\na:0:0:644\nZ:Q1${sum}\nF:usr/share\n\nP:musl\nV:1-r0\nF:lib\nR:ld.so\n\n`;
    const tree = (sum: string): Tree => ({
      'etc/os-release': 'ID=alpine\nVERSION_ID=3.20.1\n',
      'lib/apk/db/installed': apk(sum),
      'usr/lib/jvm/jrt-fs.jar': jar,
    });
    assert.match(
      (await scan(tree(sha1(jar)))).covered.join(),
      /jrt-fs\.jar: a Java archive that does not say.*covered by the package openjdk17 17\.0\.1-r0/,
    );
    assert.match((await scan(tree(sha1(Buffer.from('x'))))).open.join(), /has installed another file there/);
  });

  test('what a program does tell about itself is found all the same', async () => {
    using database = await openDatabase(path.join(root, 'db'));
    const { inventory } = await scanned(imageOf([await layerOf(debianWith(team))]), { database });
    assert.ok(inventory.components.some(({ purl }) => purl === 'pkg:golang/stdlib@v1.20.0'));
  });

  test('a real one: podman’s builder as Debian packages it', { timeout: 120_000 }, async (t) => {
    const [file, sums] = ['/usr/bin/buildah', '/var/lib/dpkg/info/buildah.md5sums'];
    if (!existsSync(file) || !existsSync(sums)) {
      // oxlint-disable-next-line no-console -- a skipped test must be loud
      console.warn('SKIPPED: there is no buildah of a Debian package here');
      return t.skip('no buildah');
    }
    const bytes = await readFile(file);
    const tree = { 'etc/os-release': debian, 'usr/bin/buildah': bytes, 'var/lib/dpkg/status': await readFile('/var/lib/dpkg/status') };
    assert.match((await scan(tree)).open.join('\n'), /a program that Go has built without modules/);
    const found = await scan({ ...tree, 'var/lib/dpkg/info/buildah.md5sums': await readFile(sums) });
    assert.match(found.covered.join(), /^usr\/bin\/buildah: .*covered by the package buildah /);
    assert.deepEqual(found.open, []);
  });
});
