import { messageOf } from '../kernel/error.ts';
import { updateAdvisories } from '../ops/update-advisories.ts';
import type { World } from '../ops/world.ts';

/** Asks again sooner when the last time failed: a scan without fresh advisories fails. */
const againMs = 15 * 60_000;

/** Keeps the server's advisories young, from its start on. */
export function keepAdvisories(world: World, everyMs: number, signal: AbortSignal): Disposable {
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const plan = (ms: number) => {
    if (closed || signal.aborted) return;
    timer = setTimeout(() => void update(), Math.max(1_000, ms));
    timer.unref();
  };
  const update = async () => {
    try {
      const results = await updateAdvisories(world, 'timer', signal);
      plan(results.length === 0 || results.some((result) => result.outcome === 'failed') ? Math.min(againMs, everyMs) : everyMs);
    } catch (error) {
      if (signal.aborted) return;
      world.logger.error({ error: messageOf(error) }, 'advisories could not be brought up to date');
      plan(Math.min(againMs, everyMs));
    }
  };
  const begin = async () => {
    const states = await world.scanning.advisoryStates();
    const oldest = Math.min(...states.map((state) => Date.parse(state.updatedAt)));
    plan(states.length === 0 ? 0 : oldest + everyMs - world.clock.now().getTime());
  };
  begin().catch((error: unknown) => {
    world.logger.error({ error: messageOf(error) }, 'the advisories cannot be read');
    plan(0);
  });
  return {
    [Symbol.dispose]() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
