import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { systemClock } from '../../kernel/clock.ts';
import type { Component } from '../component.ts';
import { openDatabase } from './database.ts';
import { folderSource } from './folder-source.ts';
import { matchComponents, type Matches } from './match.ts';
import { updateDatabase } from './update.ts';

type Range = { introduced?: string; fixed?: string; last_affected?: string };
const advisory = (id: string, ecosystem: string, name: string, events: readonly Range[], more: object = {}) => ({
  id,
  modified: '2026-01-01T00:00:00Z',
  affected: [
    { package: { ecosystem, name }, ranges: [{ type: ecosystem === 'npm' || ecosystem === 'Go' ? 'SEMVER' : 'ECOSYSTEM', events }] },
  ],
  ...more,
});

const critical = [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }];
const records: readonly object[] = [
  advisory('GHSA-1', 'npm', 'lodash', [{ introduced: '0' }, { fixed: '4.17.5' }], {
    aliases: ['CVE-2018-1'],
    summary: 'Prototype pollution',
    severity: critical,
    references: [{ type: 'ADVISORY', url: 'https://example.com/GHSA-1' }],
  }),
  advisory('NSWG-1', 'npm', 'lodash', [{ introduced: '0' }, { fixed: '4.17.11' }, { introduced: '5.0.0' }, { fixed: '5.1.0' }], {
    aliases: ['CVE-2018-1'],
  }),
  advisory('GHSA-2', 'npm', 'lodash', [{ introduced: '4.0.0' }, { last_affected: '4.17.4' }], {
    database_specific: { severity: 'MODERATE' },
  }),
  advisory('MAL-2026-1', 'npm', 'evil', [{ introduced: '0' }]),
  advisory('GHSA-3', 'npm', 'JSONStream', [{ introduced: '0' }]),
  advisory('PYSEC-1', 'PyPI', 'Zope.Interface', [{ introduced: '0' }, { fixed: '5.0' }]),
  advisory('GO-1', 'Go', 'github.com/Masterminds/goutils', [{ introduced: '0' }, { fixed: '1.1.1' }], { aliases: ['CVE-2021-4'] }),
  advisory('GO-2', 'Go', 'stdlib', [{ introduced: '0' }, { fixed: '1.21.3' }]),
  advisory('DSA-1', 'Debian:12', 'openssl', [{ introduced: '0' }, { fixed: '3.0.11-1~deb12u2' }], {
    upstream: ['CVE-2023-1', 'CVE-2023-2'],
  }),
  advisory('DEBIAN-CVE-2023-2', 'Debian:12', 'openssl', [{ introduced: '0' }, { fixed: '3.0.11-1~deb12u2' }], { upstream: ['CVE-2023-2'] }),
  advisory('DEBIAN-CVE-2023-3', 'Debian:11', 'openssl', [{ introduced: '0' }], { upstream: ['CVE-2023-3'] }),
  advisory('ALPINE-CVE-2023-5', 'Alpine:v3.20', 'busybox', [{ introduced: '0' }, { fixed: '1.36.1-r10' }], { upstream: ['CVE-2023-5'] }),
  advisory('RHSA-1', 'Red Hat:enterprise_linux:8::baseos', 'openssl-libs', [{ introduced: '0' }, { fixed: '1:1.1.1k-9.el8' }]),
  advisory('GIT-1', 'npm', 'gitonly', [], {
    affected: [
      { package: { ecosystem: 'npm', name: 'gitonly' }, ranges: [{ type: 'GIT', events: [{ introduced: '0' }, { fixed: 'abc' }] }] },
    ],
  }),
];

async function matched(t: TestContext, components: readonly Component[], needs: Record<string, readonly string[]> = {}): Promise<Matches> {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-match-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const source = path.join(root, 'source');
  await mkdir(source);
  await Promise.all(records.map((record, at) => writeFile(path.join(source, `${at}.json`), JSON.stringify(record))));
  const folder = path.join(root, 'database');
  const signal = AbortSignal.timeout(30_000);
  const ecosystems = ['npm', 'PyPI', 'Go', 'Debian', 'Alpine', 'Red Hat'];
  for (const result of await updateDatabase({ folder, source: folderSource(source), ecosystems, clock: systemClock, signal }))
    assert.equal(result.outcome, 'updated');
  using database = await openDatabase(folder);
  return await matchComponents({ inventory: { components, needs: new Map(Object.entries(needs)) }, database, signal });
}

const component = (ecosystem: string, name: string, version: string, more: Partial<Component> = {}): Component => ({
  purl: `pkg:${ecosystem.toLowerCase().split(':')[0]}/${name}@${version}`,
  ecosystem,
  name,
  version,
  scope: 'runtime',
  hashes: [],
  places: [{ path: 'lock' }],
  ...more,
});

suite('components are looked up', () => {
  test('two advisories of one CVE are one finding, with a version that fixes both, the nearest first', async (t) => {
    const lodash = component('npm', 'lodash', '4.17.3');
    const { findings, databases, skipped } = await matched(t, [lodash], { './': ['pkg:npm/a@1'], 'pkg:npm/a@1': [lodash.purl] });
    assert.deepEqual(
      findings.map(({ id, severity }) => [id, severity]),
      [
        ['CVE-2018-1', 'critical'],
        ['GHSA-2', 'medium'],
      ],
    );
    assert.deepEqual(findings[0], {
      kind: 'vulnerability',
      key: 'vulnerability:CVE-2018-1:pkg:npm/lodash',
      severity: 'critical',
      vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
      score: 9.8,
      title: 'CVE-2018-1 in lodash 4.17.3: Prototype pollution',
      fix: 'Take lodash 4.17.11 or 5.1.0. It comes in through a@1.',
      places: [{ path: 'lock' }],
      id: 'CVE-2018-1',
      aliases: ['GHSA-1', 'NSWG-1'],
      purl: lodash.purl,
      ecosystem: 'npm',
      package: 'lodash',
      version: '4.17.3',
      fixed: ['4.17.11', '5.1.0'],
      paths: [['./', 'pkg:npm/a@1', lodash.purl]],
      url: 'https://example.com/GHSA-1',
    });
    assert.equal(findings[1]?.fix, 'Take a version of lodash after 4.17.4. It comes in through a@1.');
    assert.deepEqual(
      databases.map(({ ecosystem, advisories }) => [ecosystem, advisories]),
      [['npm', 6]],
    );
    assert.deepEqual(skipped, []);
  });

  const table: readonly [what: string, component: Component, ids: readonly string[]][] = [
    ['a fixed version', component('npm', 'lodash', '4.17.11'), []],
    ['a version of a later line', component('npm', 'lodash', '5.0.1'), ['CVE-2018-1']],
    ['case counts in npm', component('npm', 'jsonstream', '1.0.0'), []],
    ['a malicious package', component('npm', 'evil', '6.6.6'), ['MAL-2026-1']],
    ['PEP 503', component('PyPI', 'zope_interface', '4.7'), ['PYSEC-1']],
    ['PEP 440', component('PyPI', 'zope-interface', '5.0.post1'), []],
    ['a module', component('Go', 'github.com/Masterminds/goutils', 'v1.1.0'), ['CVE-2021-4']],
    ['a module as the cache spells it', component('Go', 'github.com/!masterminds/goutils', 'v1.1.0'), ['CVE-2021-4']],
    ['a module that is fixed', component('Go', 'github.com/Masterminds/goutils', 'v1.1.1'), []],
    ["Go's own library", component('Go', 'stdlib', 'go1.21.2'), ['GO-2']],
    [
      'a binary package, by its source',
      component('Debian:12', 'libssl3', '3.0.11-1~deb12u1', { source: { name: 'openssl', version: '3.0.11-1~deb12u1' } }),
      ['CVE-2023-1', 'CVE-2023-2'],
    ],
    ['another release', component('Debian:11', 'openssl', '9'), ['CVE-2023-3']],
    ['Alpine, with its patch release', component('Alpine:v3.20.3', 'busybox', '1.36.1-r9'), ['CVE-2023-5']],
    [
      'rpm, by the installed name',
      component('Red Hat:enterprise_linux:8', 'openssl-libs', '1:1.1.1k-6.el8', { source: { name: 'openssl', version: '1:1.1.1k-6.el8' } }),
      ['RHSA-1'],
    ],
  ];
  for (const [what, one, ids] of table)
    test(what, async (t) => {
      const { findings, skipped } = await matched(t, [one]);
      assert.deepEqual(findings.map(({ id }) => id).sort(), ids);
      assert.deepEqual(skipped, []);
    });

  test('Go versions are spelled with their v', async (t) => {
    const { findings } = await matched(t, [component('Go', 'github.com/Masterminds/goutils', 'v1.1.0')]);
    assert.deepEqual(findings[0]?.fixed, ['v1.1.1']);
  });

  test('a release without advisories, and an ecosystem without a database, have none', async (t) => {
    const { databases } = await matched(t, [
      component('Debian:99', 'openssl', '1'),
      component('Debian', 'openssl', '1'),
      component('Maven', 'a:b', '1'),
      component('Nowhere', 'a', '1'),
    ]);
    assert.deepEqual(
      databases.map(({ ecosystem, advisories }) => [ecosystem, advisories]),
      [
        ['Debian', 0],
        ['Debian:99', 0],
        ['Maven', 0],
        ['Nowhere', 0],
      ],
    );
  });

  test('what cannot be judged is told, and only where there is something to judge', async (t) => {
    const { findings, skipped } = await matched(t, [
      component('npm', 'lodash', 'workspace:*'),
      component('npm', 'unheard-of', 'workspace:*'),
      component('npm', 'evil', 'latest'),
      component('npm', 'gitonly', '1.0.0'),
    ]);
    assert.deepEqual(
      findings.map(({ id }) => id),
      ['MAL-2026-1'],
    );
    assert.deepEqual(skipped, [
      {
        path: 'lock → lodash@workspace:*',
        reason: 'unknown-format',
        detail: 'whether GHSA-1, GHSA-2, NSWG-1 apply is unknown: "workspace:*" is no version in the order of SemVer',
      },
      {
        path: 'lock → gitonly@1.0.0',
        reason: 'unknown-format',
        detail: 'whether GIT-1 applies is unknown: they say nothing that can be compared',
      },
    ]);
  });

  test('a signal stops it', async (t) => {
    const many = Array.from({ length: 5_000 }, (_, at) => component('npm', 'lodash', `4.0.${at}`));
    await assert.rejects(
      (async () => {
        const root = await mkdtemp(path.join(tmpdir(), 'waybill-match-'));
        t.after(() => rm(root, { recursive: true, force: true }));
        using database = await openDatabase(root);
        await matchComponents({
          inventory: { components: many, needs: new Map() },
          database,
          signal: AbortSignal.abort(new Error('enough')),
        });
      })(),
      /enough/,
    );
  });
});
