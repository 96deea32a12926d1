import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../kernel/error.ts';
import { renewPullSecrets } from '../ops/renew-pull-secrets.ts';
import type { World } from '../ops/world.ts';

/** The shortest-lived login that a cluster gets is Google's, of an hour: its last third has four of these. */
const everyMs = 5 * 60_000;
/** Every so many times each cluster is asked whether its secret is still there. */
const lookEvery = 12;

/** Renews pull secrets until the signal aborts: one round after the other, however long a cluster takes to answer. Never rejects. */
export async function keepPullSecrets(world: World, signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    try {
      await renewPullSecrets(world, signal, { look: round % lookEvery === 0 });
    } catch (error) {
      world.logger.error({ error: messageOf(error) }, 'the pull secrets could not be looked after');
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
