import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../kernel/digest.ts';
import { parseGitOid, type GitOid } from '../kernel/git-oid.ts';
import type { RepositoryName } from '../kernel/ids.ts';
import type { ScanLevel } from '../plan/scan-levels.ts';
import type { RunContext } from '../run/port.ts';
import { parseRecord } from '../scan/record.ts';
import type { ScanReport } from '../scan/report.ts';
import { noWaivers } from '../scan/waivers.ts';
import { keepScan } from './keep-scan.ts';
import { levelBefore } from './level-before.ts';
import type { World } from './world.ts';

const repository = 'shop' as RepositoryName;
const [onto, merged] = [parseGitOid('a'.repeat(40)), parseGitOid('b'.repeat(40))];
const file = (scan: string) => `version: 1\nstages: [{ name: a, on: [change], steps: [{ run: a }] }]\n${scan}\n`;

function worldWith(before: string | undefined, reviewed: { onto: GitOid } | undefined = { onto }): World {
  return {
    source: {
      reviewedCommit: async () => reviewed,
      readFile: async (_repository: string, commit: GitOid) => (commit === onto && before !== undefined ? Buffer.from(before) : undefined),
    },
  } as unknown as World;
}

const context = (event: 'merge' | 'change', reviewed = true) =>
  ({ head: { event, reviewed, repository, commit: merged } }) as unknown as RunContext;

for (const [what, before, scan, wanted] of [
  ['a level that the branch had', 'scan: { image: { fail: high } }', 'image', 'high'],
  ['one of the source', 'scan: { secrets: { fail: any } }', 'secrets', 'any'],
  ['none, which is the default', '', 'image', 'new'],
] as const)
  test(`a merged commit is held to what was before it: ${what}`, async () =>
    assert.equal(await levelBefore(worldWith(file(before)), context('merge'), scan), wanted));

test('nothing was before: a run of a change, a first push, a file that nobody can read', async () => {
  const strict = file('scan: { image: { fail: any } }');
  assert.equal(await levelBefore(worldWith(strict), context('change'), 'image'), undefined);
  assert.equal(await levelBefore(worldWith(strict), context('merge', false), 'image'), undefined);
  assert.equal(await levelBefore(worldWith(undefined), context('merge'), 'image'), undefined);
  assert.equal(await levelBefore(worldWith('version: 2'), context('merge'), 'image'), undefined);
});

const now = new Date('2026-11-28T12:00:00Z');
const report: ScanReport = {
  version: 1,
  kind: 'image',
  scanner: 'waybill test',
  startedAt: now.toISOString(),
  finishedAt: now.toISOString(),
  coverage: { files: 1, bytes: 1, components: 1, databases: [], skipped: [], skippedCount: 0, gapCount: 0 },
  findings: [
    {
      kind: 'image',
      key: 'image:root',
      rule: 'root',
      severity: 'high',
      title: 'It runs as root',
      fix: 'Give it a user.',
      places: [{ path: 'config' }],
    },
  ],
};

async function kept(level: ScanLevel, alsoLevel?: ScanLevel) {
  let text = '';
  const documents = { put: async (_kind: string, value: string) => ((text = value), `sha256:${'0'.repeat(64)}` as Digest) };
  const world = { clock: { now: () => now }, scanning: { databaseDays: 7, documents } } as unknown as World;
  const { record } = await keepScan(world, report, { level, alsoLevel, waivers: noWaivers });
  assert.deepEqual(parseRecord(text), JSON.parse(JSON.stringify(record)));
  return { level: record.level, passed: record.passed, notes: record.notes };
}

const relaxed = 'it passes by `report`, which this commit sets, and not by `high`, which held before it';
for (const [level, also, wanted] of [
  ['report', undefined, { level: 'report', passed: true, notes: [] }],
  ['report', 'high', { level: 'high', passed: false, notes: [relaxed] }],
  ['report', 'critical', { level: 'report', passed: true, notes: [] }],
  ['high', 'report', { level: 'high', passed: false, notes: [] }],
  ['critical', 'critical', { level: 'critical', passed: true, notes: [] }],
] as const)
  test(`a scan of level ${level}${also ? `, held to ${also} too` : ''}`, async () => assert.deepEqual(await kept(level, also), wanted));
