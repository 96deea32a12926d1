import { parseUpstreamKey } from '../evidence/upstream/upstream-key.ts';
import type { Person } from '../identity/person.ts';
import { WaybillError } from '../kernel/error.ts';
import type { TrustedUpstream } from '../registry/upstream-trust.ts';
import type { World } from './world.ts';

type TrustWorld = Pick<World, 'upstreamTrust' | 'ledger'>;

/** Trusts the key of an upstream for images of a pattern; in the ledger like every administrative act. */
export async function addUpstreamTrust(
  world: TrustWorld,
  by: Person,
  input: { readonly images: string; readonly publicKey: string; readonly required: boolean; readonly signedAs?: string },
): Promise<TrustedUpstream> {
  const { publicKey, keyId } = parseUpstreamKey(input.publicKey);
  const added = await world.upstreamTrust.add({ ...input, publicKey, keyId, addedBy: by.id });
  await record(world, by, 'upstream-trust-add', added);
  return added;
}

/** @throws WaybillError NOT_FOUND */
export async function removeUpstreamTrust(world: TrustWorld, by: Person, id: number): Promise<TrustedUpstream> {
  const removed = await world.upstreamTrust.remove(id);
  if (!removed) throw new WaybillError('NOT_FOUND', `there is no trusted key ${id}`, { fix: 'waybill image trust list shows them.' });
  await record(world, by, 'upstream-trust-remove', removed);
  return removed;
}

async function record(world: TrustWorld, by: Person, act: string, { images, keyId, required, signedAs }: TrustedUpstream): Promise<void> {
  const body = { act, by: by.id, images, keyId, required, ...(signedAs === undefined ? {} : { signedAs }) };
  await world.ledger.append({ kind: 'admin', subject: [`key:${keyId}`], body });
}
