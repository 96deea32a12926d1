import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../kernel/error.ts';
import { indexMissed } from '../ops/index-images.ts';
import { lookAgain } from '../ops/look-again.ts';
import { matchImagesAgain } from '../ops/match-again.ts';
import type { World } from '../ops/world.ts';

/** Also without news: an image that could not be indexed, or an environment that did not answer, gets another chance. */
const everyMs = 60 * 60_000;

/** Wakes whoever waits; a call while nobody waits is kept for the next. */
export class Wake {
  #called = false;
  #leave: AbortController | undefined;

  call(): void {
    this.#called = true;
    this.#leave?.abort();
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#called) {
      this.#leave = new AbortController();
      await sleep(ms, undefined, { signal: AbortSignal.any([signal, this.#leave.signal]), ref: false }).catch(() => undefined);
    }
    this.#called = false;
  }
}

/**
 * Keeps the index of what images consist of whole, looks them up again when the advisories have changed, and gives fresh papers to those that need them. Never rejects.
 */
export async function keepInventory(world: World, wake: Wake, signal: AbortSignal): Promise<void> {
  let failed: ReadonlySet<string> = new Set();
  let recover = true;
  while (!signal.aborted) {
    try {
      const indexed = await indexMissed(world, signal);
      if (indexed > 0) world.logger.info({ indexed }, 'images were not yet indexed by what they consist of and are now');
      const { components, appeared, gone } = await matchImagesAgain(world, signal);
      if (components > 0) world.logger.info({ components, appeared, gone }, 'what images consist of was looked up again');
    } catch (error) {
      if (!signal.aborted) world.logger.error({ error: messageOf(error) }, 'images could not be looked up again in the advisories');
    }
    try {
      const pass = await lookAgain(world, { failed, recover }, signal);
      failed = pass.failed;
      recover = false;
      if (pass.waiting > 0 && pass.looked > 0) wake.call();
    } catch (error) {
      if (!signal.aborted) world.logger.error({ error: messageOf(error) }, 'images could not get fresh papers about vulnerabilities');
    }
    await wake.wait(everyMs, signal);
  }
}
