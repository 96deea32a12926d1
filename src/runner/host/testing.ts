import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../kernel/clock.ts';
import { silentLogger } from '../../kernel/logger.ts';
import { openHostRunner } from './open.ts';
import type { HostRunner, HostRunnerOptions } from './options.ts';

/** A host runner with a state folder of its own, which goes with it unless it was given. For tests. */
export async function openTestRunner(given: Partial<HostRunnerOptions> = {}): Promise<HostRunner & { readonly folder: string }> {
  const folder = given.folder ?? mkdtempSync(join(tmpdir(), 'host-runner-'));
  const runner = await openHostRunner({
    folder,
    logger: silentLogger,
    clock: systemClock,
    toolchains: [],
    path: '/usr/local/bin:/usr/bin:/bin',
    allowAddresses: [],
    unsafeNoSandbox: false,
    ...given,
  });
  return {
    ...runner,
    folder,
    async [Symbol.asyncDispose]() {
      await runner[Symbol.asyncDispose]();
      if (given.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
