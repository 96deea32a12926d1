import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../kernel/error.ts';
import { indexMissed } from '../ops/index-images.ts';
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

/** Keeps the index of what images consist of whole, and looks them up again when the advisories have changed. Never rejects. */
export async function keepInventory(world: World, wake: Wake, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const indexed = await indexMissed(world, signal);
      if (indexed > 0) world.logger.info({ indexed }, 'images were not yet indexed by what they consist of and are now');
      const { components, appeared, gone } = await matchImagesAgain(world, signal);
      if (components > 0) world.logger.info({ components, appeared, gone }, 'what images consist of was looked up again');
    } catch (error) {
      if (!signal.aborted) world.logger.error({ error: messageOf(error) }, 'images could not be looked up again in the advisories');
    }
    await wake.wait(everyMs, signal);
  }
}
