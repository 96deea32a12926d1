import { z } from 'zod';
import { bundleFromJSON, isBundleWithDsseEnvelope, isBundleWithPublicKey } from '@sigstore/bundle';
import type { Digest } from '../../kernel/digest.ts';
import { messageOf } from '../../kernel/error.ts';
import { matchesPath } from '../../kernel/path-pattern.ts';
import { inTotoPayloadType, pae } from '../dsse.ts';
import { parseStatement, subjectMatches } from '../statement.ts';
import { signPredicateType, type FoundSignature } from './found-signature.ts';
import { signsAs, type UpstreamIdentity } from './upstream-identity.ts';
import { verifiesWith, type UpstreamKey } from './upstream-key.ts';
import type { UpstreamSignatures } from './upstream-signatures.ts';

/** Whose signature an administrator trusts for which images of other registries. */
export type TrustRule = {
  /** Pattern of `registry/repository`: `docker.io/library/*`. */
  readonly images: string;
  readonly by: UpstreamKey | UpstreamIdentity;
  /** Without a signature by a trusted key such an image is not imported. */
  readonly required: boolean;
  /** Pattern of names besides the image's own that a signature may be made for: that of the origin, when the image comes from a mirror. */
  readonly signedAs?: string | undefined;
};

export type JudgedSignatures = {
  readonly result: UpstreamSignatures;
  /** Those that verified, as they were found: whoever keeps them can judge again without the upstream. */
  readonly material: readonly FoundSignature[];
};

const mostTold = 10;
const mostKept = 3;

/** Pure: digest, name and rules in, verdict out. `name` is `registry/repository`, Docker Hub's images with `docker.io/library/`. */
export function judgeSignatures(input: {
  readonly name: string;
  readonly digest: Digest;
  readonly found: readonly FoundSignature[];
  readonly problems: readonly string[];
  readonly rules: readonly TrustRule[];
}): JudgedSignatures {
  const { name, found } = input;
  const rules = input.rules.filter((rule) => matchesPath(rule.images, name));
  const problems = [...input.problems];
  const verified: UpstreamSignatures['verified'] = [];
  const material: FoundSignature[] = [];
  let bad = 0;
  for (const signature of found) {
    const judged = judgeOne(signature, name, input.digest, rules);
    if ('by' in judged) {
      const { by, signedAs } = judged;
      verified.push({
        form: signature.form,
        keyId: by.by.keyId,
        images: by.images,
        ...('identity' in by.by ? { identity: `${by.by.identity} (${by.by.issuer})` } : {}),
        ...(signedAs === undefined ? {} : { signedAs: signedAs.slice(0, 500) }),
      });
      material.push(signature);
      continue;
    }
    if (judged.kind === 'bad') bad += 1;
    problems.push(judged.why);
  }
  return {
    result: {
      outcome: verified.length > 0 ? 'verified' : bad > 0 ? 'bad' : found.length > 0 ? 'unchecked' : 'none',
      found: found.length,
      required: rules.some((rule) => rule.required),
      verified: verified.slice(0, mostTold),
      problems: [...new Set(problems.map(printable))].slice(0, mostTold),
    },
    material: material.slice(0, mostKept),
  };
}

type Failed = { readonly kind: 'bad' | 'unchecked'; readonly why: string };
type Judged = { readonly by: TrustRule; readonly signedAs?: string } | Failed;

const bad = (why: string): Failed => ({ kind: 'bad', why });
const unchecked = (why: string): Failed => ({ kind: 'unchecked', why });

function judgeOne(signature: FoundSignature, name: string, digest: Digest, rules: readonly TrustRule[]): Judged {
  const opened = signature.form === 'cosign-tag' ? openSimple(signature) : openSigned(signature.text);
  if ('kind' in opened) return opened;
  if (rules.length === 0) return unchecked('a signature was not checked: no key is trusted for this image');
  const by = rules.filter((rule) => opened.isBy(rule.by));
  if (by.length === 0)
    return opened.keyless && rules.every((rule) => 'key' in rule.by)
      ? unchecked('a bundle comes with a certificate instead of a key (keyless), and no identity is trusted for this image')
      : bad(`a signature is by none of the ${rules.length} keys that are trusted for this image`);
  // Only now that somebody trusted has signed it is what it says worth reading.
  const said = opened.read(digest);
  if ('kind' in said) return said;
  const { reference } = said;
  if (reference === undefined || reference === '') return asked(by[0]);
  const own = nameOf(reference);
  const fitting = by.find((rule) => own === name || (rule.signedAs !== undefined && matchesPath(rule.signedAs, own)));
  return fitting === undefined
    ? bad(`a signature by a trusted key is for ${JSON.stringify(own.slice(0, 200))}, not for ${name}`)
    : { ...asked(fitting), signedAs: own };
}

function asked(rule: TrustRule | undefined): Judged {
  return rule === undefined ? bad('a signature is by no key that is trusted') : { by: rule };
}

type Opened = {
  readonly keyless: boolean;
  /** Whether whoever is trusted has signed exactly this. */
  isBy(trusted: UpstreamKey | UpstreamIdentity): boolean;
  /** What it says, once it is verified: the name that it was made for, if it says one. */
  read(digest: Digest): { readonly reference?: string | undefined } | Failed;
};

/** github.com/sigstore/cosign specs/SIGNATURE_SPEC.md, "Simple signing". */
const simpleSigning = z.object({
  critical: z.object({
    type: z.literal('cosign container image signature'),
    image: z.object({ 'docker-manifest-digest': z.string() }),
    identity: z.object({ 'docker-reference': z.string().optional() }).optional(),
  }),
});

function openSimple(signature: FoundSignature & { form: 'cosign-tag' }): Opened | Failed {
  if (signature.keyless)
    return unchecked('a signature of the older form comes with a certificate instead of a key (keyless); such ones are not checked');
  const payload = Buffer.from(signature.payload, 'base64');
  return {
    keyless: false,
    isBy: (trusted) => 'key' in trusted && verifiesWith(trusted, payload, Buffer.from(signature.signature, 'base64')),
    read(digest) {
      const said = simpleSigning.safeParse(jsonOf(payload));
      if (!said.success) return bad('a signature by a trusted key is about something that is no image');
      const { image, identity } = said.data.critical;
      if (image['docker-manifest-digest'] !== digest)
        return bad(`a signature by a trusted key is about another digest (${image['docker-manifest-digest'].slice(0, 80)})`);
      return { reference: identity?.['docker-reference'] };
    },
  };
}

/** Sigstore bundle, as cosign 3 writes it: an in-toto statement about the digest, which names no repository. */
function openSigned(text: string): Opened | Failed {
  let bundle: ReturnType<typeof bundleFromJSON>;
  try {
    bundle = bundleFromJSON(JSON.parse(text));
  } catch (error) {
    return bad(`a bundle cannot be read: ${messageOf(error).slice(0, 200)}`);
  }
  if (!isBundleWithDsseEnvelope(bundle)) return bad('a bundle holds no DSSE envelope');
  const { payload, payloadType, signatures } = bundle.content.dsseEnvelope;
  const keyless = !isBundleWithPublicKey(bundle);
  const signed = pae(payloadType, payload);
  return {
    keyless,
    isBy: (trusted) =>
      'key' in trusted
        ? !keyless && signatures.slice(0, 5).some((each) => verifiesWith(trusted, signed, each.sig))
        : keyless && signsAs(trusted, bundle),
    read(digest) {
      if (payloadType !== inTotoPayloadType) return bad(`a bundle by a trusted key holds ${JSON.stringify(payloadType.slice(0, 100))}`);
      try {
        const statement = parseStatement(jsonOf(payload));
        if (statement.predicateType !== signPredicateType)
          return bad(`a bundle by a trusted key is no signature but says ${JSON.stringify(statement.predicateType.slice(0, 100))}`);
        return subjectMatches(statement, digest) ? {} : bad('a bundle by a trusted key is about another digest');
      } catch (error) {
        return bad(`a bundle by a trusted key cannot be read: ${messageOf(error).slice(0, 200)}`);
      }
    },
  };
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** `registry/repository` of what cosign writes as docker-reference, in one spelling for Docker Hub. */
function nameOf(reference: string): string {
  const name = (reference.split('@', 1)[0] ?? '').replace(/:[^:/]*$/, '').replace(/^(?:index|registry-1)\.docker\.io\//, 'docker.io/');
  return /^docker\.io\/[^/]+$/.test(name) ? name.replace('docker.io/', 'docker.io/library/') : name;
}

/** Upstreams write these texts; they are printed to terminals. */
function printable(text: string): string {
  return text.replaceAll(/[^\u0020-\u007e\u00a0-\u00ff…]/g, '?').slice(0, 500);
}
