import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import type { Coverage } from './coverage.ts';
import type { Finding, VulnerabilityFinding } from './finding.ts';
import { judgeScan } from './gate.ts';
import { lookedAgain } from './look-again.ts';
import { recordOf, type ScanRecord } from './record.ts';
import type { ScanReport } from './report.ts';
import { noWaivers, type Waivers } from './waivers.ts';

const then = new Date('2026-11-01T00:00:00.000Z');
const now = new Date('2026-12-15T00:00:00.000Z');
const database = { ecosystem: 'npm', advisories: 3, digest: digestOf('advisories'), updatedAt: then.toISOString() };

const vulnerability = (id: string): VulnerabilityFinding => ({
  kind: 'vulnerability',
  key: `vulnerability:${id}`,
  severity: 'critical',
  title: id,
  fix: 'Take another.',
  places: [{ path: 'package-lock.json' }],
  id,
  aliases: [],
  purl: 'pkg:npm/a@1.0.0',
  ecosystem: 'npm',
  package: 'a',
  version: '1.0.0',
  fixed: [],
  paths: [],
});
const setuid: Finding = {
  kind: 'image',
  key: 'image:setuid:usr/bin/ping',
  rule: 'setuid',
  severity: 'medium',
  title: 'set-uid',
  fix: 'Take it out.',
  places: [{ path: 'usr/bin/ping' }],
};
const gap = { path: 'opt/locked.bin', reason: 'unreadable', detail: 'it is encrypted' } as const;
const report = (kind: ScanReport['kind'], findings: readonly Finding[], coverage: Partial<Coverage> = {}): ScanReport => ({
  version: 1,
  kind,
  scanner: 'waybill 1',
  startedAt: then.toISOString(),
  finishedAt: then.toISOString(),
  coverage: { files: 7, bytes: 700, components: 2, databases: [database], skipped: [], skippedCount: 0, ...coverage },
  findings,
});
const waived: Waivers = {
  ...noWaivers,
  image: [{ rule: 'setuid', path: 'usr/bin/ping', reason: 'needed by the probe', owner: 'anna', expires: '2026-12-01' }],
};
const judged = (of: ScanReport, at: Date, before?: ReadonlySet<string>): ScanRecord => {
  const given = { report: of, fail: 'new', waivers: waived, now: at, databaseDays: 100, ...(before ? { before } : {}) } as const;
  return recordOf(of, judgeScan(given), { level: 'new', judgedAt: at.toISOString(), databaseDays: 100 });
};
const image = judged(report('image', [vulnerability('CVE-2026-1'), setuid], { skipped: [gap], skippedCount: 3, gapCount: 2 }), then);
const source = judged(
  report('dependencies', [vulnerability('CVE-2026-1')], { skipped: [{ ...gap, path: 'pom.xml' }], skippedCount: 1, gapCount: 1 }),
  then,
);
const today = report('image', [vulnerability('CVE-2026-2')], { files: 0, bytes: 0 });

test('vulnerabilities are those of today; what only the layers show, and what could not be looked at, stays', () => {
  const { findings, coverage } = lookedAgain(today, { image, source }).report;
  assert.deepEqual(
    findings.map(({ key }) => key),
    ['vulnerability:CVE-2026-2', 'image:setuid:usr/bin/ping'],
  );
  assert.deepEqual(
    coverage.skipped.map(({ path }) => path),
    ['opt/locked.bin', 'pom.xml'],
  );
  assert.deepEqual([coverage.files, coverage.bytes, coverage.components], [7, 700, 2]);
  assert.deepEqual([coverage.skippedCount, coverage.gapCount], [4, 3]);
});

test('only what the run did not find is new, and a waiver that is over by now accepts nothing', () => {
  const { report: again, before } = lookedAgain(today, { image, source });
  const record = judged(again, now, before);
  const of = (key: string) => record.findings.find((finding) => finding.key === key);
  assert.deepEqual([of('vulnerability:CVE-2026-2')?.isNew, of('vulnerability:CVE-2026-2')?.fails], [true, true]);
  assert.equal(image.findings.find(({ kind }) => kind === 'image')?.waiver?.owner, 'anna');
  assert.deepEqual([of(setuid.key)?.waiver, of(setuid.key)?.isNew], [undefined, false]);
  assert.ok(record.findings.filter(({ kind }) => kind === 'gap').every(({ isNew }) => !isNew));
  assert.equal(record.passed, false);
});

test('what is withdrawn is gone, and a gap that today’s advisories leave is told', () => {
  const unknown = { path: 'package-lock.json → b@x', reason: 'unknown-format', detail: 'whether it applies is unknown' } as const;
  const { report: again, before } = lookedAgain(report('image', [], { skipped: [unknown], skippedCount: 1 }), { image, source });
  assert.ok(again.findings.every(({ kind }) => kind !== 'vulnerability'));
  const told = judged(again, now, before).findings.find(({ key }) => key.endsWith(unknown.path));
  assert.deepEqual([told?.isNew, told?.fails], [true, true]);
});
