import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Coverage } from '../scan/coverage.ts';
import { saysAnything } from './keep-scan.ts';

const report = (coverage: Partial<Coverage>) => ({
  version: 1 as const,
  kind: 'dependencies' as const,
  scanner: 'waybill',
  startedAt: '',
  finishedAt: '',
  coverage: { files: 1, bytes: 1, components: 0, skipped: [], skippedCount: 0, ...coverage },
  findings: [],
});

test('a gap without a finding is compared with what was there before, too: otherwise each change would fail on it anew', () => {
  assert.equal(saysAnything(report({})), false);
  assert.equal(saysAnything(report({ skipped: [{ path: 'pom.xml', reason: 'unknown-format', detail: '' }], skippedCount: 1 })), true);
});
