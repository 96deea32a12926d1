import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { compareReports, knownThen, type CompareInput } from './compare.ts';
import type { Coverage, Skipped } from './coverage.ts';
import type { Finding } from './finding.ts';
import { judgeScan } from './gate.ts';
import { recordOf } from './record.ts';
import { comparisonText, parseComparison, partOf, sumOf } from './release-comparison.ts';
import type { ScanReport } from './report.ts';
import type { Severity } from './severity.ts';
import { parseWaivers } from './parse-waivers.ts';
import { noWaivers } from './waivers.ts';

const at = new Date('2026-03-01T12:00:00Z');
const digest = digestOf('advisories');
const databases = [{ ecosystem: 'npm', advisories: 467, digest, updatedAt: '2026-02-28T00:00:00Z' }];

const vulnerability = (
  id: string,
  name: string,
  severity: Severity = 'high',
  version = '1.0.0',
  aliases: readonly string[] = [],
): Finding => ({
  kind: 'vulnerability',
  key: `vulnerability:${id}:pkg:npm/${name}`,
  severity,
  title: `${id} in ${name} ${version}`,
  fix: 'Take another.',
  places: [{ path: 'package-lock.json' }],
  id,
  aliases,
  purl: `pkg:npm/${name}@${version}`,
  ecosystem: 'npm',
  package: name,
  version,
  fixed: [],
  paths: [],
});
const credential = (fingerprint: string): Finding => ({
  kind: 'secret',
  key: `secret:token:${fingerprint}`,
  severity: 'critical',
  title: `A token ${fingerprint}`,
  fix: 'Revoke it.',
  places: [{ path: 'app/.env' }],
  rule: 'token',
  length: 20,
  fingerprint,
  validity: 'unknown',
});
const habit: Finding = {
  kind: 'image',
  key: 'image:shell',
  severity: 'low',
  title: 'A shell',
  fix: '',
  places: [{ path: 'bin/sh' }],
  rule: 'shell',
};
const gap = (path: string): Skipped => ({ path, reason: 'unknown-format', detail: 'not read' });

function report(findings: readonly Finding[], gaps: readonly Skipped[] = [], coverage: Partial<Coverage> = {}): ScanReport {
  return {
    version: 1,
    kind: 'image',
    scanner: 'waybill test',
    startedAt: at.toISOString(),
    finishedAt: at.toISOString(),
    coverage: { files: 3, bytes: 9, components: 2, databases, skipped: gaps, skippedCount: gaps.length, ...coverage },
    findings,
  };
}

const record = (of: ScanReport, level: 'new' | 'report' = 'report') =>
  recordOf(of, judgeScan({ report: of, fail: level, waivers: noWaivers, now: at, databaseDays: 7 }), {
    level,
    judgedAt: at.toISOString(),
    databaseDays: 7,
  });

const compare = (input: Partial<CompareInput> & Pick<CompareInput, 'now'>) =>
  compareReports({ levels: [], waivers: noWaivers, at, databaseDays: 7, ...input });
const titles = (found: readonly { readonly title: string }[]) => found.map(({ title }) => title.split(' in ', 1)[0]);

suite('what is new since a release', () => {
  const was = report([vulnerability('CVE-1', 'a'), vulnerability('CVE-2', 'b', 'low'), credential('x'), habit], [gap('old.rpm')]);
  const known = knownThen([record(report([vulnerability('CVE-1', 'a')]))]);
  const now = report(
    [vulnerability('CVE-1', 'a', 'high', '1.1.0'), vulnerability('CVE-3', 'c', 'critical'), credential('y'), habit],
    [gap('new.rpm')],
  );

  test('new is what the released one does not have, by whatever version; gone is what it alone has', () => {
    const compared = compare({ now, was, ...(known ? { known } : {}) });
    assert.deepEqual(titles(compared.fresh), ['A token y', 'CVE-3', 'new.rpm was not looked at (not read)']);
    assert.deepEqual(titles(compared.gone), ['A token x', 'old.rpm was not looked at (not read)', 'CVE-2']);
    assert.deepEqual(compared.learned, []);
    assert.equal(compared.kept, 2);
    assert.equal(compared.passed, true);
  });

  test('what is in both and was in no record of the release was learned since; by another of its names it was known', () => {
    const both = report([vulnerability('CVE-9', 'a', 'high', '1.0.0', ['GHSA-9'])]);
    for (const [before, learned] of [
      [report([]), ['CVE-9']],
      [report([vulnerability('GHSA-9', 'a')]), []],
      [report([vulnerability('ghsa-9', 'a')]), []],
      [report([vulnerability('GHSA-9', 'another')]), ['CVE-9']],
      [report([credential('CVE-9')]), ['CVE-9']],
    ] as const) {
      const knew = knownThen([record(before)]);
      assert.ok(knew);
      const compared = compare({ now: both, was: both, known: knew });
      assert.deepEqual([titles(compared.fresh), titles(compared.learned)], [[], learned]);
    }
  });

  test('where records are missing or were cut off, nothing is said to be learned', () => {
    const full = record(report([vulnerability('CVE-1', 'a')]));
    assert.equal(knownThen([]), undefined);
    assert.equal(knownThen([full, { ...full, findingCount: 2 }]), undefined);
    assert.deepEqual(compare({ now, was }).learned, []);
  });

  test('without a release everything is new, and nothing gone', () => {
    const compared = compare({ now });
    assert.deepEqual([compared.fresh.length, compared.gone.length, compared.kept], [5, 0, 0]);
  });
});

suite('what a deploy is held to', () => {
  const was = report([vulnerability('CVE-1', 'a', 'critical')]);
  for (const [what, levels, found, passes] of [
    ['nothing', [], [vulnerability('CVE-2', 'b', 'critical')], true],
    ['new, with what was there', ['new'], [vulnerability('CVE-1', 'a', 'critical')], true],
    ['new, with one that is new', ['new'], [vulnerability('CVE-2', 'b', 'low')], false],
    ['new-high, with a low one that is new', ['new-high'], [vulnerability('CVE-2', 'b', 'low')], true],
    ['new-high, with one of unknown severity', ['new-high'], [vulnerability('CVE-2', 'b', 'unknown')], false],
    ['two levels, of which the second fails', ['new-critical', 'new'], [vulnerability('CVE-2', 'b', 'low')], false],
    ['two levels, of which the first fails', ['critical', 'new'], [vulnerability('CVE-1', 'a', 'critical')], false],
    ['new, with a habit', ['new'], [habit], true],
  ] as const)
    test(`${what}: ${passes ? 'passes' : 'fails'}`, () => {
      const compared = compare({ now: report(found), was, levels });
      assert.equal(compared.passed, passes);
      assert.equal(compared.reasons.length === 0, passes);
      if (!passes && compared.fresh.length > 0) assert.equal(compared.fresh[0]?.fails, true);
    });

  test('a waiver of the new tree accepts it, and stands beside it', () => {
    const waivers = parseWaivers(
      'version: 1\nvulnerabilities:\n  - { id: CVE-2, package: b, reason: not reachable, owner: anna, expires: 2026-06-01 }',
    );
    const compared = compare({ now: report([vulnerability('CVE-2', 'b')]), was, levels: ['new'], waivers });
    assert.deepEqual([compared.passed, compared.fresh[0]?.waiver?.owner], [true, 'anna']);
    assert.equal(partOf({ name: 'image a', now: 'x', databases: [], notes: [] }, compared).worst, undefined);
  });

  test('advisories that are missing or old hold nothing up where nothing is asked, and fail every level', () => {
    const now = report([], [], { databases: [{ ecosystem: 'npm', advisories: 0, digest, updatedAt: at.toISOString() }] });
    assert.equal(compare({ now, was }).passed, true);
    assert.equal(compare({ now, was, levels: ['new-critical'] }).passed, false);
  });
});

test('a comparison is cut off where it would be too large, and says how many there are; what fails comes first', () => {
  const low = Array.from({ length: 500 }, (_, nth) => vulnerability(`CVE-${nth}`, 'a', 'low'));
  const compared = compare({
    now: report([...low, vulnerability('CVE-bad', 'b', 'low')]),
    levels: ['new'],
    waivers: parseWaivers(
      'version: 1\nvulnerabilities:\n' +
        low.map(({ key }) => `  - { id: ${key.split(':')[1]}, reason: example, owner: anna, expires: 2026-06-01 }`).join('\n'),
    ),
  });
  const part = partOf({ name: 'image a', now: 'x', databases, notes: [] }, compared);
  assert.deepEqual([part.fresh.length, part.counts.fresh, part.worst, part.fresh[0]?.title], [200, 501, 'low', 'CVE-bad in b 1.0.0']);
  assert.deepEqual(sumOf([part, part]), { fresh: 1002, gone: 0, learned: 0, kept: 0, worst: 'low' });
  const comparison = {
    version: 1,
    environment: 'production',
    comparedAt: at.toISOString(),
    levels: ['new'],
    passed: false,
    reasons: compared.reasons,
    parts: [part],
    removed: [],
  } as const;
  assert.deepEqual(parseComparison(comparisonText(comparison)), JSON.parse(JSON.stringify(comparison)));
  for (const text of ['{}', '{"version":2}', '{"version":1,"environment":"a","comparedAt":"","levels":[],"passed":true,"parts":[{}]}'])
    assert.throws(() => parseComparison(text), { code: 'INVALID_INPUT' });
});
