import type { Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import type { RunContext } from '../run/port.ts';
import { resolveBase } from './base-image.ts';
import { requireAllowed } from './plan-bases.ts';
import type { World } from './world.ts';

/**
 * The digest that a base has in this run: the recorded one. One that could not be looked up when the run was made is resolved now, and recorded for the
 * images after this one; where two images ask at once, the journal keeps the first and both take it. The policy on bases is asked again, for days may
 * lie between plan and build.
 * @throws WaybillError NOT_FOUND, UNSUPPORTED, FORBIDDEN
 */
export async function recordedBase(
  world: World,
  context: RunContext,
  client: RegistryClient,
  reference: string,
  signal: AbortSignal,
): Promise<{ readonly reference: string; readonly digest: Digest }> {
  const known = (await context.state()).bases.find((base) => base.reference === reference);
  if (known) {
    await requireAllowed(world, reference, known.digest);
    return known;
  }
  const digest = await resolveBase(client, world.registryName, reference, signal);
  await requireAllowed(world, reference, digest);
  const { bases } = await context.emit({ type: 'base-resolved', reference, digest });
  const kept = bases.find((base) => base.reference === reference);
  if (!kept) throw new WaybillError('INTERNAL', `the journal has not kept the base ${reference}`);
  return kept;
}
