import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanReport } from './scan-report.ts';
import type { ScanView } from './scan-views.ts';

const scan: ScanView = {
  name: 'secrets',
  record: 'sha256:0',
  scanner: 'waybill',
  passed: false,
  level: 'new',
  reasons: ['new: GitHub token in a|b.js:3', 'the scan had no rules'],
  notes: ['the waiver of anna for x is over since 2026-01-01'],
  startedAt: '2026-11-22T10:00:00Z',
  finishedAt: '2026-11-22T10:00:01Z',
  covered: { files: 3, bytes: 99, components: 0, rules: 200, databases: [], skipped: [], skippedCount: 0 },
  findings: [
    {
      kind: 'secret',
      id: 'github-pat',
      key: 'k',
      severity: 'high',
      title: 'GitHub token',
      fix: 'Revoke it.',
      where: ['a|b.js:3'],
      isNew: true,
      fails: true,
    },
    {
      kind: 'secret',
      id: 'github-pat',
      key: 'l',
      severity: 'high',
      title: 'GitHub token',
      fix: 'Revoke it.',
      where: ['c.js:1'],
      isNew: false,
      fails: false,
    },
  ],
  findingCount: 2,
};

test('a report says what is new, where, how bad, what to do, and what was looked at', () => {
  const text = scanReport([scan]);
  assert.match(text, /## ✘ secrets: failed/);
  assert.match(text, /\| high \| GitHub token \| a\\\|b\.js:3 \| Revoke it\. \|/);
  assert.match(text, /- the scan had no rules/);
  assert.match(text, /1 more were there before/);
  assert.match(text, /is over since 2026-01-01/);
  assert.match(text, /Looked at 3 files \(99 bytes\), with 200 rules; 0 skipped\. Fails on: new\./);
});

test('a name cannot write the report', () => {
  const [finding] = scan.findings;
  assert.ok(finding);
  const evil = 'x.js\n## All good\n<script>alert(1)</script> [a](javascript:1) | ok |\u202e';
  const text = scanReport([{ ...scan, findings: [{ ...finding, where: [evil], title: evil }], findingCount: 1 }]);
  assert.doesNotMatch(text, /^## All good/m);
  assert.doesNotMatch(text, /<script|[^\\]\]\(javascript|\u202e/);
});

test('without scans it says so', () => assert.equal(scanReport([]), 'Nothing was scanned.\n'));

test('a scan that nothing can make fail is said to have passed nothing, and shows all that it found', () => {
  const findings = scan.findings.map((finding) => ({ ...finding, fails: false }));
  const text = scanReport([{ ...scan, name: 'import 1', level: 'report', passed: true, reasons: [], findings }]);
  assert.match(text, /^## import 1: what was found$/m);
  assert.doesNotMatch(text, /passed|more were there before|Fails on/);
  assert.match(text, /### New\n[^]*a\\\|b\.js:3[^]*### There before\n[^]*c\.js:1/);
  assert.match(scanReport([{ ...scan, level: 'report' }]), /✘ secrets: failed/, 'without rules it has failed all the same');
});
