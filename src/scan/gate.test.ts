import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import type { ScanLevel } from '../plan/scan-levels.ts';
import type { Coverage } from './coverage.ts';
import type { Finding } from './finding.ts';
import { judgeScan, keysOf, saysAnything, type GateInput } from './gate.ts';
import type { ScanReport } from './report.ts';
import type { Severity } from './severity.ts';
import { SkipList } from './skip-list.ts';
import { parseWaivers } from './parse-waivers.ts';
import { noWaivers } from './waivers.ts';

const now = new Date('2026-03-01T12:00:00Z');
const digest = digestOf('advisories');

const vulnerability = (id: string, severity: Severity): Finding => ({
  kind: 'vulnerability',
  key: `vulnerability:${id}:pkg:npm/lodash`,
  severity,
  title: `${id} in lodash 4.17.4`,
  fix: 'Take 4.17.5.',
  places: [{ path: 'package-lock.json' }],
  id,
  aliases: [`GHSA-${id}`],
  purl: 'pkg:npm/lodash@4.17.4',
  ecosystem: 'npm',
  package: 'lodash',
  version: '4.17.4',
  fixed: ['4.17.5'],
  paths: [['./', 'pkg:npm/lodash@4.17.4']],
});

const fresh = { ecosystem: 'npm', advisories: 467, digest, updatedAt: '2026-02-28T00:00:00Z' };
const full: Coverage = { files: 3, bytes: 900, components: 12, databases: [fresh], skipped: [], skippedCount: 0 };

function report(findings: readonly Finding[], coverage: Partial<Coverage> = {}, kind: ScanReport['kind'] = 'dependencies'): ScanReport {
  return {
    version: 1,
    kind,
    scanner: 'waybill test',
    startedAt: now.toISOString(),
    finishedAt: now.toISOString(),
    coverage: { ...full, ...coverage },
    findings,
  };
}

const judge = (of: ScanReport, rest: Partial<GateInput> = {}) =>
  judgeScan({ report: of, fail: 'new', waivers: noWaivers, now, databaseDays: 7, before: new Set(), ...rest });

suite('what makes a scan fail', () => {
  const old = vulnerability('CVE-1', 'high');
  const table: readonly [level: ScanLevel, severity: Severity, isNew: boolean, passes: boolean][] = [
    ['any', 'low', false, false],
    ['medium', 'low', true, true],
    ['high', 'high', false, false],
    ['high', 'medium', true, true],
    ['critical', 'high', true, true],
    ['critical', 'unknown', false, false],
    ['new', 'low', true, false],
    ['new', 'critical', false, true],
    ['new-high', 'medium', true, true],
    ['new-high', 'high', true, false],
    ['new-critical', 'critical', false, true],
    ['report', 'critical', true, true],
  ];
  for (const [fail, severity, isNew, passes] of table)
    test(`fail: ${fail} with a ${isNew ? 'new' : 'known'} one that is ${severity} ${passes ? 'passes' : 'fails'}`, () => {
      const of = report([vulnerability('CVE-2', severity)]);
      const verdict = judge(of, { fail, before: isNew ? keysOf(report([old])) : keysOf(of) });
      assert.equal(verdict.passed, passes);
      assert.equal(verdict.reasons.length === 0, passes);
    });

  test('a habit of an image fails only where severities are asked for', () => {
    const habit: Finding = {
      kind: 'image',
      key: 'image:root-user',
      severity: 'medium',
      title: 'It runs as root',
      fix: '',
      places: [{ path: '.' }],
      rule: 'root-user',
    };
    for (const [fail, passes] of [
      ['new', true],
      ['new-medium', true],
      ['medium', false],
      ['any', false],
      ['high', true],
    ] as const)
      assert.equal(judge(report([habit], {}, 'image'), { fail }).passed, passes, fail);
  });

  test('a credential in an installed package of an image is told, and fails only where severities are asked for', () => {
    const secret = (path: string): Finding => ({
      kind: 'secret',
      key: 'secret:a:b',
      severity: 'high',
      title: 'A token',
      fix: '',
      places: [{ path }],
      rule: 'a',
      length: 20,
      fingerprint: 'b',
      validity: 'unknown',
    });
    for (const [path, kind, fail, passes] of [
      ['app/node_modules/zod/src/a.test.ts', 'image', 'new', true],
      ['app/node_modules/@s/b/a.js', 'image', 'new', true],
      ['app/node_modules/zod/a.js', 'image', 'high', false],
      ['app/node_modules/.env', 'image', 'new', false],
      ['app/.npmrc', 'image', 'new', false],
      ['node_modules/zod/a.js', 'secrets', 'new', false],
    ] as const)
      assert.equal(
        judge(report([secret(path)], { rules: { count: 1, digest } }, kind), { fail }).passed,
        passes,
        `${path} ${kind} ${fail}`,
      );
  });

  test('without anything to compare with, everything is new', () => {
    assert.equal(judgeScan({ report: report([old]), fail: 'new', waivers: noWaivers, now, databaseDays: 7 }).passed, false);
  });
});

suite('nothing found is worth what was looked at', () => {
  test('everything looked at and nothing found passes', () => assert.equal(judge(report([])).passed, true));

  test('without advisories, or with old ones, it fails and says what to do', () => {
    for (const state of [
      { ...fresh, advisories: 0 },
      { ...fresh, updatedAt: '2026-02-20T00:00:00Z' },
      { ...fresh, updatedAt: 'yesterday' },
    ]) {
      const verdict = judge(report([], { databases: [fresh, state] }));
      assert.equal(verdict.passed, false);
      assert.match(verdict.reasons.join(), /waybill db update/);
    }
  });

  test('credentials without rules fail', () => {
    assert.equal(judge(report([], {}, 'secrets')).passed, false);
    assert.equal(judge(report([], { rules: { count: 200, digest } }, 'secrets')).passed, true);
  });

  test('a file that ran out of time counts like a critical finding, until somebody accepts it', () => {
    const skipped = { skipped: [{ path: 'big.js', reason: 'time', detail: 'rule x after 1 s' }] as const, skippedCount: 1 };
    assert.match(judge(report([], skipped), { fail: 'critical' }).reasons.join(), /big\.js was not looked at/);
    assert.equal(judge(report([], skipped), { before: keysOf(report([], skipped)) }).passed, true);
    const waivers = parseWaivers('version: 1\ngaps:\n  - { path: big.js, reason: generated, owner: anna, expires: 2026-06-01 }');
    assert.equal(judge(report([], skipped), { waivers }).passed, true);
  });

  test('more gaps than are named cannot hide among them', () => {
    assert.equal(judge(report([], { skipped: [], skippedCount: 1 })).passed, false);
  });

  test('a thousand pictures are no gap, and one gap behind them is', () => {
    const skips = new SkipList();
    for (let count = 0; count < 1_500; count++) skips.add({ path: `${count}.png`, reason: 'binary', detail: '' });
    assert.equal(judge(report([], skips.coverage)).passed, true);
    skips.add({ path: 'big.js', reason: 'limit', detail: 'too large' });
    assert.match(judge(report([], skips.coverage)).reasons.join(), /big\.js was not looked at/);
    for (let count = 0; count < 1_500; count++) skips.add({ path: `${count}.js`, reason: 'time', detail: '' });
    assert.match(
      judge(report([], skips.coverage))
        .findings.map(({ title }) => title)
        .join(),
      /501 more files/,
    );
  });

  test('a gap without a finding is compared with what was there before, too: otherwise each change would fail on it anew', () => {
    assert.equal(saysAnything(report([])), false);
    assert.equal(saysAnything(report([], { skipped: [{ path: 'pom.xml', reason: 'unknown-format', detail: '' }], skippedCount: 1 })), true);
  });

  test('a binary file is no gap', () => {
    assert.equal(judge(report([], { skipped: [{ path: 'a.png', reason: 'binary', detail: '' }], skippedCount: 1 })).passed, true);
  });
});

suite('waivers', () => {
  const of = report([vulnerability('CVE-1', 'high')]);
  const waiver = (expires: string, rest = '') =>
    parseWaivers(`version: 1\nvulnerabilities:\n  - { id: ghsa-cve-1, ${rest} reason: not reachable, owner: anna, expires: ${expires} }`);

  test('one that holds accepts the finding by any of its names, and stands beside it', () => {
    const verdict = judge(of, { waivers: waiver('2026-03-01') });
    assert.equal(verdict.passed, true);
    assert.equal(verdict.findings[0]?.waiver?.owner, 'anna');
  });

  for (const [expires, note] of [
    ['2026-02-28', /over since/],
    ['2029-01-01', /more than a year/],
  ] as const)
    test(`one until ${expires} does not count, and is told`, () => {
      const verdict = judge(of, { waivers: waiver(expires) });
      assert.equal(verdict.passed, false);
      assert.match(verdict.notes.join(), note);
    });

  test('one for another package does not count, and is told as unused', () => {
    const verdict = judge(of, { waivers: waiver('2026-04-01', 'package: moment,') });
    assert.equal(verdict.passed, false);
    assert.match(verdict.notes.join(), /meets nothing any more: ghsa-cve-1 in moment \(anna\)/);
  });

  const bad: readonly [text: string, message: RegExp][] = [
    ['version: 2', /waivers\.yaml:1:10: version/],
    ['version: 1\nvulnerabilities:\n  - { id: CVE-1, reason: because, owner: anna }', /waivers\.yaml:3:5: vulnerabilities\.0\.expires/],
    ['version: 1\nsecrets: [{ rule: x, fingerprint: "12345678", reason: no, owner: a, expires: 2026-01-01 }]', /secrets\.0\.reason/],
    ['version: 1\nsecret: []', /Unrecognized key/],
    ['a: &a [1]\nb: *a', /waivers\.yaml/],
    ['{', /waivers\.yaml:1:/],
  ];
  for (const [text, message] of bad)
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => assert.throws(() => parseWaivers(text), { code: 'INVALID_INPUT', message }));
});
