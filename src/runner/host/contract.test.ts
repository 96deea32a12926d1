import { runnerContract } from '../contract.ts';
import { openTestRunner } from './testing.ts';

const limits = { maxLineBytes: 1024, maxOutputBytes: 5 * 1024 * 1024, graceMs: 500 };

const isolation = await (async () => {
  await using runner = await openTestRunner();
  return await runner.isolation();
})();
// oxlint-disable-next-line no-console -- a missing sandbox must be seen
if (!isolation.ok) console.warn(`SKIPPED: host runner in its sandbox: ${isolation.reason}`);
else runnerContract('host, sandboxed', { open: () => openTestRunner({ limits }), isolated: true });

runnerContract('host, without a sandbox', { open: () => openTestRunner({ limits, unsafeNoSandbox: true }), isolated: false });
