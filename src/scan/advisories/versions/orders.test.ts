import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { knownEcosystems, ecosystemOf } from '../ecosystems.ts';
import { compareVersions, longestVersion } from './order.ts';

/** Ascending, as the ecosystems' own documents have them; `=` joins equal ones. */
const tables: Readonly<Record<string, readonly string[]>> = {
  // semver.org, section 11
  npm: [
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0 = 1.0.0+build = v1.0.0 = 1.0',
    '2.0.0',
    '2.1.0',
    '2.1.1',
  ],
  'crates.io': ['0.0.9', '0.1.0-alpha', '0.1.0 = 0.1.0+x', '0.10.0', '1.0.0'],
  Hex: ['1.0.0-dev', '1.0.0', '1.10.0'],
  // dart.dev/tools/pub/versioning
  Pub: ['1.0.0-dev.1', '1.0.0', '1.0.0+1', '1.0.0+2', '1.0.0+10', '1.0.1'],
  // go.dev/ref/mod#pseudo-versions
  Go: [
    'v0.0.0-20191109021931-daa7c04131f5',
    'v0.0.0-20200101000000-000000000000',
    'v1.2.3-pre',
    'v1.2.3-pre.0.20191109021931-daa7c04131f5',
    'v1.2.3 = 1.2.3',
    'v1.2.4-0.20191109021931-daa7c04131f5',
    'v1.2.4',
    'go1.21rc2 = 1.21.0-rc.2',
    'go1.21 = 1.21.0',
    'go1.21.3',
    'v2.0.0+incompatible = 2.0.0',
  ],
  // peps.python.org/pep-0440, "Summary of permitted suffixes and relative ordering", and epochs
  PyPI: [
    '1.dev0',
    '1.0.dev456',
    '1.0a1',
    '1.0a2.dev456',
    '1.0a12.dev456',
    '1.0a12',
    '1.0b1.dev456',
    '1.0b2',
    '1.0b2.post345.dev456',
    '1.0b2.post345',
    '1.0rc1.dev456',
    '1.0rc1 = 1.0c1 = 1.0-RC.1',
    '1.0 = 1.0.0 = v1.0',
    '1.0+abc.5',
    '1.0+abc.7',
    '1.0+5',
    '1.0.post456.dev34',
    '1.0.post456 = 1.0-456',
    '1.0.15',
    '1.1.dev1',
    '2013.10',
    '1!1.0',
  ],
  // maven.apache.org/pom.html, "Version Order Specification"
  Maven: [
    '1-alpha-1 = 1-alpha1',
    '1-alpha10',
    '1-beta',
    '1-milestone = 1-MILESTONE',
    '1-rc = 1-cr',
    '1-snapshot',
    '1 = 1.0 = 1-ga = 1-final = 1.0.0-release',
    '1-sp',
    '1-foo',
    '1-1',
    '1-2',
    '1.1',
    '1.2',
    '1.10',
    '2.0.0.Final = 2',
  ],
  // ruby-doc.org, Gem::Version
  RubyGems: ['0.9', '1.0.a.9', '1.0.a.10', '1.0.b1', '1.0.rc1', '1.0 = 1 = 1.0.0', '1.0.1', '1.10'],
  // learn.microsoft.com/nuget/concepts/package-versioning
  NuGet: [
    '1.0.1-alpha',
    '1.0.1-alpha.2 = 1.0.1-ALPHA.2',
    '1.0.1-alpha.10',
    '1.0.1-beta',
    '1.0.1-rc',
    '1.0.1 = 1.0.1.0 = 1.00.01 = 1.0.1+abc',
    '1.0.1.1',
    '1.1',
  ],
  // getcomposer.org/doc/articles/versions.md
  Packagist: [
    '1.0.0-dev',
    '1.0.0-alpha1 = 1.0-a1',
    '1.0.0-beta1 = 1.0.0b1',
    '1.0.0-RC1',
    '1.0.0 = v1.0 = 1.0.0.0',
    '1.0.0-p1 = 1.0.0-patch1',
    '1.0.1',
    '1.x-dev',
    '2.0',
  ],
  // deb-version(7)
  Debian: [
    '1.0~~',
    '1.0~~a',
    '1.0~',
    '1.0 = 0:1.0 = 1.00',
    '1.0-1~bpo12+1',
    '1.0-1',
    '1.0-1+deb12u1',
    '1.0-1+deb12u10',
    '1.0-1.1',
    '1.0a-1',
    '1.0+dfsg-1',
    '1.0.1',
    '1:0.1',
  ],
  // apk-package(5) and the tests of apk-tools
  Alpine: [
    '1.0_alpha',
    '1.0_alpha1',
    '1.0_beta',
    '1.0_pre1',
    '1.0_rc1',
    '1.0',
    '1.0-r1',
    '1.0-r10',
    '1.0_git20200101',
    '1.0_p1',
    '1.0a',
    '1.0.01',
    '1.0.1',
    '1.2',
    '1.10',
    '3.1.0-r1',
  ],
  // rpm-version(7)
  'Red Hat': ['1.0~rc1-1', '1.0-1', '1.0-1.el8', '1.0-2.el8', '1.0^git1-1', '1.0a-1', '1.0.1-1', '1.10-1', '0:2-1 = 2-1', '1:0.1-1'],
  Hackage: ['0.1', '0.1.0', '0.2', '0.10', '1'],
  CRAN: ['1.0', '1.0-1 = 1.0.1', '1.0.2', '1.10'],
  opam: ['1.0~beta', '1.0', '1.0a', '1.1', '1.10'],
};

const orderOf = (name: string) => {
  const known = ecosystemOf(name);
  assert.ok(known, name);
  return known.order;
};

suite('the order of versions', () => {
  for (const [name, table] of Object.entries(tables))
    test(`${name}: each one is before all that follow`, () => {
      const rows = table.map((row) => row.split(' = '));
      const order = orderOf(name);
      const wrong: string[] = [];
      rows.forEach((row, at) =>
        rows.forEach((other, beside) => {
          for (const a of row)
            for (const b of other) {
              const sign = compareVersions(order, a, b);
              if (sign === undefined || Math.sign(sign) !== Math.sign(at - beside)) wrong.push(`${a} ? ${b}: ${sign}`);
            }
        }),
      );
      assert.deepEqual(wrong, []);
    });

  const nonsense: Readonly<Record<string, readonly string[]>> = {
    npm: ['', 'latest', 'workspace:*', 'file:../x', '^1.0.0', '1.x'],
    Go: ['(devel)', 'master', 'v'],
    PyPI: ['', 'main', '1.0-x', '2004d!', '1..0'],
    RubyGems: ['', 'x', '1..2'],
    NuGet: ['1.2.3.4.5', 'x', '1.0-'],
    Packagist: ['dev-main', 'foo'],
    Debian: ['', 'a b', '1:2:3 4'],
    Alpine: ['', 'abc', '1.0-1', '1.0_foo', '1.0-rx'],
    'Red Hat': ['', 'a b', '1-2-3'],
    Hackage: ['', '1.a'],
  };
  for (const [name, versions] of Object.entries(nonsense))
    test(`${name}: what is no version is told`, () => {
      for (const version of versions) assert.equal(orderOf(name).bind(version), undefined, version);
      assert.equal(compareVersions(orderOf(name), '1', versions[0] ?? ''), undefined);
    });

  test('hostile versions cost no time and stop no order', () => {
    for (const name of knownEcosystems)
      for (const text of [
        '1.'.repeat(50_000),
        '-'.repeat(100_000),
        `1${'0'.repeat(400)}`,
        '1-'.repeat(200),
        `${'a1'.repeat(200)}`,
        '\u0000',
        '1.0\n',
        '💥',
      ])
        compareVersions(orderOf(name), text, '1.0');
    assert.equal(compareVersions(orderOf('Maven'), '1'.repeat(longestVersion + 1), '1'), undefined);
  });
});
