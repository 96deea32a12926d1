import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago, sinceCounts, sinceReport, sinceTitle } from './since-report.ts';
import type { SinceReleaseView } from './since-views.ts';
import type { FindingView } from './scan-views.ts';

const now = new Date('2026-11-22T10:00:00Z');
const finding = (title: string, more: Partial<FindingView> = {}): FindingView => ({
  kind: 'vulnerability',
  id: 'CVE-1',
  key: title,
  severity: 'high',
  title,
  fix: 'Take 2.0.0.',
  where: ['package-lock.json:9'],
  isNew: true,
  fails: false,
  ...more,
});
const since: SinceReleaseView = {
  environment: 'production',
  comparison: 'sha256:0',
  comparedAt: '2026-11-22T09:59:00Z',
  levels: [],
  passed: true,
  reasons: [],
  release: { id: 4, run: 12, commit: 'a'.repeat(40), at: '2026-11-19T08:00:00Z' },
  found: { fresh: 300, gone: 1, learned: 1, kept: 7, worst: 'high' },
  parts: [
    {
      name: 'image web',
      now: 'sha256:1',
      was: 'sha256:2',
      fresh: [finding('CVE-1 in new 1.0.0')],
      gone: [finding('CVE-2 in gone 1.0.0')],
      learned: [finding('CVE-3 in old 1.0.0')],
      found: { fresh: 300, gone: 1, learned: 1, kept: 7, worst: 'high' },
      databases: [{ ecosystem: 'npm', advisories: 9, updatedAt: '2026-11-21T00:00:00Z' }],
      notes: ['other rules'],
    },
  ],
  removed: ['worker'],
};

test('it says since when, what is new, what is gone and what became known since, and by which advisories', () => {
  const text = sinceReport([since], now);
  for (const said of [
    /^## Since the last release of production \(run 12, 3 days ago\)\n/,
    /\n300 new \(worst: high\), 1 gone, 1 of both known only since then\.\n/,
    /### image web: new\n[^#]*CVE-1 in new[^#]*\n299 more are in the record\./,
    /### image web: gone\n[^#]*CVE-2 in gone/,
    /### image web: in both, and known only since then\n[^#]*CVE-3 in old/,
    /- image web: other rules/,
    /image web: 7 in both\. Both looked up in the same advisories: npm of 2026-11-21\./,
    /No part of it any more: worker\./,
  ])
    assert.match(text, said);
  assert.equal(sinceReport([], now), '');
});

test('a deploy that is held to a level says to which, and whether it passed', () => {
  const held = {
    ...since,
    levels: ['new-high', 'critical'],
    passed: false,
    reasons: ['image web: new: CVE-1 in new 1.0.0', 'no advisories'],
  };
  const text = sinceReport([held], now);
  assert.match(text, /^## ✘ Since the last release/);
  assert.match(text, /Fails on: new-high, and on critical\./);
  assert.match(text, /\n- no advisories/);
  assert.doesNotMatch(text, /- image web: new: CVE-1/, 'what stands in the table is not told twice');
  assert.match(sinceReport([{ ...held, passed: true, reasons: [] }], now), /^## ✔ /);
});

test('names cannot write the report', () => {
  const evil = '\n## All good\n<script>alert(1)</script> | x |';
  const [part] = since.parts;
  assert.ok(part);
  const text = sinceReport(
    [
      {
        ...since,
        environment: evil,
        removed: [evil],
        reasons: [evil],
        parts: [{ ...part, name: evil, notes: [evil], fresh: [finding(evil)] }],
      },
    ],
    now,
  );
  assert.doesNotMatch(text, /^## All good|<script/m);
});

test('a first release has nothing before it', () => {
  const { release: _, ...first } = since;
  assert.match(sinceTitle(first, now), /First release of production/);
});

test('nothing new is said in as many words', () => assert.equal(sinceCounts({ fresh: 0, gone: 0, learned: 0, kept: 3 }), '0 new, 0 gone'));

for (const [at, said] of [
  ['2026-11-22T09:59:30Z', 'just now'],
  ['2026-11-22T11:00:00Z', 'just now'],
  ['2026-11-22T09:59:00Z', '1 minute ago'],
  ['2026-11-22T09:00:01Z', '59 minutes ago'],
  ['2026-11-22T08:59:00Z', '1 hour ago'],
  ['2026-11-20T10:01:00Z', '47 hours ago'],
  ['2026-11-20T10:00:00Z', '2 days ago'],
  ['2026-10-01T10:00:00Z', '52 days ago'],
] as const)
  test(`${at} is ${said}`, () => assert.equal(ago(at, now), said));
