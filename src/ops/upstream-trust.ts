import { parseUpstreamIdentity } from '../evidence/upstream/upstream-identity.ts';
import { parseUpstreamKey } from '../evidence/upstream/upstream-key.ts';
import type { Person } from '../identity/person.ts';
import { WaybillError } from '../kernel/error.ts';
import type { TrustedUpstream } from '../registry/upstream-trust.ts';
import type { World } from './world.ts';

type TrustWorld = Pick<World, 'upstreamTrust' | 'ledger'>;

type Input = {
  readonly images: string;
  readonly required: boolean;
  readonly signedAs?: string;
  readonly publicKey?: string;
  readonly identity?: string;
  readonly issuer?: string;
  readonly trustedRoot?: string;
};

/** Trusts the key or the identity of an upstream for images of a pattern; in the ledger like every administrative act. */
export async function addUpstreamTrust(world: TrustWorld, by: Person, input: Input): Promise<TrustedUpstream> {
  const { images, required, signedAs } = input;
  const added = await world.upstreamTrust.add({
    images,
    required,
    ...(signedAs === undefined ? {} : { signedAs }),
    ...trustedOf(input),
    addedBy: by.id,
  });
  await record(world, by, 'upstream-trust-add', added);
  return added;
}

/** @throws WaybillError INVALID_INPUT unless there is either a key or all of an identity */
function trustedOf({ publicKey, identity, issuer, trustedRoot }: Input): Pick<TrustedUpstream, 'by' | 'keyId'> {
  if (publicKey !== undefined && identity === undefined && issuer === undefined && trustedRoot === undefined) {
    const key = parseUpstreamKey(publicKey);
    return { by: { publicKey: key.publicKey }, keyId: key.keyId };
  }
  if (publicKey !== undefined || identity === undefined || issuer === undefined || trustedRoot === undefined)
    throw new WaybillError('INVALID_INPUT', 'what is trusted is either a key, or an identity with its issuer and a trusted root', {
      fix: 'Give --key FILE, or --identity, --issuer and --trusted-root FILE.',
    });
  const by = { identity, issuer, trustedRoot };
  return { by, keyId: parseUpstreamIdentity(by).keyId };
}

/** @throws WaybillError NOT_FOUND */
export async function removeUpstreamTrust(world: TrustWorld, by: Person, id: number): Promise<TrustedUpstream> {
  const removed = await world.upstreamTrust.remove(id);
  if (!removed) throw new WaybillError('NOT_FOUND', `there is no trusted key ${id}`, { fix: 'waybill image trust list shows them.' });
  await record(world, by, 'upstream-trust-remove', removed);
  return removed;
}

async function record(
  world: TrustWorld,
  by: Person,
  act: string,
  { images, keyId, required, signedAs, by: trusted }: TrustedUpstream,
): Promise<void> {
  const body = {
    act,
    by: by.id,
    images,
    keyId,
    required,
    ...(signedAs === undefined ? {} : { signedAs }),
    ...('identity' in trusted ? { identity: trusted.identity, issuer: trusted.issuer } : {}),
  };
  await world.ledger.append({ kind: 'admin', subject: [`key:${keyId}`], body });
}
