import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../kernel/error.ts';
import { importsToLookInto, lookIntoImport } from '../ops/look-into-imports.ts';
import type { World } from '../ops/world.ts';
import type { Wake } from './keep-inventory.ts';

/** A registry that drips keeps one of them, and the other goes on. */
const atOnce = 2;
const everyMs = 10 * 60_000;
const againMs = 60 * 60_000;
const afterFailureMs = 60_000;

/** Looks into images that were asked for, behind the requests, also those that a stop has left. Never rejects. */
export async function keepLooking(world: World, wake: Wake, signal: AbortSignal): Promise<void> {
  const under = new Map<number, Promise<void>>();
  /** When one was tried: that it could not be looked into again is not always written down. */
  const tried = new Map<number, number>();
  while (!signal.aborted) {
    try {
      for (const each of await importsToLookInto(world)) {
        if (under.size >= atOnce) break;
        const now = world.clock.now().getTime();
        const waits = each.look !== undefined && now - (tried.get(each.id) ?? 0) < againMs;
        if (under.has(each.id) || waits) continue;
        tried.set(each.id, now);
        const look = lookIntoImport(world, each, signal)
          .catch(async (error: unknown) => {
            if (signal.aborted) return;
            world.logger.error({ import: each.id, error: messageOf(error) }, 'what was found in an import could not be kept');
            // The store is full or broken: not again at once.
            await sleep(afterFailureMs, undefined, { signal, ref: false }).catch(() => undefined);
          })
          .finally(() => {
            under.delete(each.id);
            wake.call();
          });
        under.set(each.id, look);
      }
    } catch (error) {
      if (!signal.aborted) world.logger.error({ error: messageOf(error) }, 'it is not known which imports should be looked into');
    }
    await wake.wait(everyMs, signal);
  }
  await Promise.all(under.values());
}
