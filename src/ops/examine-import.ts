import { z } from 'zod';
import { findSignatures } from '../evidence/upstream/find-signatures.ts';
import { foundSignature, type FoundSignature } from '../evidence/upstream/found-signature.ts';
import { judgeSignatures, type TrustRule } from '../evidence/upstream/judge-signatures.ts';
import { upstreamSignatures, type UpstreamSignatures } from '../evidence/upstream/upstream-signatures.ts';
import { signaturesText } from '../evidence/upstream/signatures-text.ts';
import { parseUpstreamIdentity } from '../evidence/upstream/upstream-identity.ts';
import { parseUpstreamKey } from '../evidence/upstream/upstream-key.ts';
import { withDeadline } from '../kernel/deadline.ts';
import type { Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import { matchesPath } from '../kernel/path-pattern.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import type { ImageImport } from '../registry/imports.ts';
import type { UpstreamTrust } from '../registry/upstream-trust.ts';

/** What was found when somebody looked into a third-party image. Reports of scanners get a field of their own beside this one. */
export type Examined = {
  readonly signatures: UpstreamSignatures;
  /** The signatures that verified, for the signer, who judges them again. */
  readonly material: readonly FoundSignature[];
};

const kept = z.object({ signatures: upstreamSignatures, material: z.array(foundSignature) });
const lookMs = 60_000;

/**
 * Looks into an image before people vouch for it, at its upstream: signatures are looked for and judged by what the administrator trusts now.
 * @param name `registry/repository` as rules name it
 * @throws WaybillError DEADLINE_EXCEEDED
 */
export async function examineUpstream(
  { upstreamTrust }: { readonly upstreamTrust: UpstreamTrust },
  client: RegistryClient,
  image: { readonly name: string; readonly repository: string; readonly digest: Digest },
  signal: AbortSignal,
): Promise<Examined> {
  using deadline = withDeadline(signal, lookMs, 'looking for signatures of the upstream');
  const { found, problems } = await findSignatures(client, image.repository, image.digest, deadline.signal);
  const { result, material } = judgeSignatures({ ...image, found, problems, rules: await trustRules(upstreamTrust) });
  return { signatures: result, material };
}

/** What an import has kept, judged again by what is trusted now; undefined when nobody has looked yet, or not in a way that can be read. */
export async function judgeKept(
  upstreamTrust: Pick<UpstreamTrust, 'list'>,
  made: ImageImport,
  name: string,
): Promise<Examined | undefined> {
  const before = examinedOf(made);
  if (!before) return undefined;
  const { result, material } = judgeSignatures({
    name,
    digest: made.digest,
    found: before.material,
    problems: before.signatures.problems,
    rules: await trustRules(upstreamTrust),
  });
  // Nothing verified then or now: what was seen at the upstream stands.
  if (before.material.length === 0) return { signatures: { ...before.signatures, required: result.required }, material: [] };
  return { signatures: { ...result, found: before.signatures.found }, material };
}

export function examinedOf({ signatures }: Pick<ImageImport, 'signatures'>): Examined | undefined {
  if (signatures === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(signatures);
  } catch {
    return undefined;
  }
  const parsed = kept.safeParse(json);
  return parsed.success ? parsed.data : undefined;
}

/** @throws WaybillError FORBIDDEN when a signature is required and none verified */
export function requireSigned({ signatures }: Examined, name: string): void {
  if (!signatures.required || signatures.outcome === 'verified') return;
  throw new WaybillError('FORBIDDEN', `${name} must be signed by its upstream, and is not: ${signaturesText(signatures)}`, {
    fix: 'Import the digest that the upstream has signed; an administrator says whose key is trusted: waybill image trust list',
  });
}

/** Whether an administrator insists on a signature for such an image. */
export async function isSignatureRequired(upstreamTrust: Pick<UpstreamTrust, 'list'>, name: string): Promise<boolean> {
  return (await upstreamTrust.list()).some((rule) => rule.required && matchesPath(rule.images, name));
}

async function trustRules(upstreamTrust: Pick<UpstreamTrust, 'list'>): Promise<TrustRule[]> {
  return (await upstreamTrust.list()).map(({ images, by, required, signedAs }) => ({
    images,
    by: 'publicKey' in by ? parseUpstreamKey(by.publicKey) : parseUpstreamIdentity(by),
    required,
    ...(signedAs === undefined ? {} : { signedAs }),
  }));
}
