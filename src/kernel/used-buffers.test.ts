import assert from 'node:assert/strict';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { usedUp } from './used-buffers.ts';

test('buffers that were used are collected while they are young', async () => {
  let minor = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
      if ((entry as { detail?: { kind?: number } }).detail?.kind === constants.NODE_PERFORMANCE_GC_MINOR) minor++;
  });
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let n = 0; n < 2_048; n++) {
    usedUp(Buffer.allocUnsafeSlow(64 * 1024).length);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  await setImmediate();
  await setImmediate();
  observer.disconnect();
  assert.ok(minor >= 30, `${minor} collections for 128 MiB`);
  assert.ok(most < 32 * 2 ** 20, `${most} bytes were held at a time`);
});
