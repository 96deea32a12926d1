import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { digestOf, hexOf, type Digest } from '../../kernel/digest.ts';
import { connectRegistry } from '../../oci/client.ts';
import type { RegistryClient, Resolved } from '../../oci/client-types.ts';
import { ociConfig, ociEmpty, ociManifest } from '../../oci/media-types.ts';
import { startTestRegistry } from '../../registry/registry.fixture.ts';
import { bundleMediaType } from '../bundle.ts';
import { simpleSigningMediaType } from '../cosign-forms.ts';
import { inTotoPayloadType, pae } from '../dsse.ts';
import { findSignatures } from './find-signatures.ts';
import { signatureLimits, signPredicateType, type FoundSignature } from './found-signature.ts';
import { judgeSignatures, type TrustRule } from './judge-signatures.ts';
import { parseUpstreamKey } from './upstream-key.ts';

const name = 'docker.io/library/db';
const digest = digestOf('the database');
const other = digestOf('another image');
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
const vendor = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rule = (key: KeyObject, more: Partial<TrustRule> = {}): TrustRule => ({
  images: 'docker.io/library/*',
  by: parseUpstreamKey(pem(key)),
  required: false,
  ...more,
});

type Simple = { about?: Digest; reference?: string; type?: string; by?: KeyObject; payload?: string; keyless?: boolean };

/** As cosign 2 writes it, unless told otherwise. */
function simple(more: Simple = {}): FoundSignature {
  const signed = JSON.stringify({
    critical: {
      identity: { 'docker-reference': more.reference ?? 'index.docker.io/library/db' },
      image: { 'docker-manifest-digest': more.about ?? digest },
      type: more.type ?? 'cosign container image signature',
    },
    optional: null,
  });
  const signature = sign('sha256', Buffer.from(signed), more.by ?? vendor.privateKey).toString('base64');
  const payload = Buffer.from(more.payload ?? signed).toString('base64');
  return { form: 'cosign-tag', payload, signature, keyless: more.keyless ?? false };
}

type Bundle = { about?: Digest; predicateType?: string; by?: KeyObject; swap?: Digest; payloadType?: string; certificate?: boolean };

/** As cosign 3 writes it, unless told otherwise. */
function bundle(more: Bundle = {}): FoundSignature {
  const statement = (about: Digest) =>
    Buffer.from(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ digest: { sha256: hexOf(about) }, annotations: {} }],
        predicateType: more.predicateType ?? signPredicateType,
        predicate: {},
      }),
    );
  const payloadType = more.payloadType ?? inTotoPayloadType;
  const signed = statement(more.about ?? digest);
  const sig = sign('sha256', pae(payloadType, signed), more.by ?? vendor.privateKey).toString('base64');
  const payload = (more.swap === undefined ? signed : statement(more.swap)).toString('base64');
  const material = more.certificate ? { certificate: { rawBytes: Buffer.from('x').toString('base64') } } : { publicKey: { hint: 'any' } };
  return {
    form: 'bundle',
    text: JSON.stringify({
      mediaType: bundleMediaType,
      verificationMaterial: { ...material, tlogEntries: [] },
      dsseEnvelope: { payload, payloadType, signatures: [{ sig }] },
    }),
  };
}

const judge = (found: FoundSignature[], rules: TrustRule[], about = digest) =>
  judgeSignatures({ name, digest: about, found, problems: [], rules });

const trusted = [rule(vendor.publicKey)];
const cases: readonly [string, FoundSignature[], TrustRule[], string, RegExp?][] = [
  ['nothing hangs there', [], trusted, 'none'],
  ['a signature of cosign 2', [simple()], trusted, 'verified'],
  ['a signature of cosign 3', [bundle()], trusted, 'verified'],
  ['nobody is trusted for the image', [simple(), bundle()], [], 'unchecked', /no key is trusted/],
  [
    'a key is trusted for other images only',
    [simple()],
    [rule(vendor.publicKey, { images: 'quay.io/**' })],
    'unchecked',
    /no key is trusted/,
  ],
  ['by another key', [simple({ by: stranger.privateKey })], trusted, 'bad', /by none of the 1 keys/],
  ['a bundle by another key', [bundle({ by: stranger.privateKey })], trusted, 'bad', /by none of the 1 keys/],
  ['about another digest', [simple({ about: other })], trusted, 'bad', /about another digest/],
  ['a bundle about another digest', [bundle({ about: other })], trusted, 'bad', /about another digest/],
  ['a payload that was swapped', [simple({ about: other, payload: simplePayload(digest) })], trusted, 'bad', /by none of the 1 keys/],
  ['a bundle whose payload was swapped', [bundle({ about: other, swap: digest })], trusted, 'bad', /by none of the 1 keys/],
  [
    'for another repository',
    [simple({ reference: 'docker.io/evil/db' })],
    trusted,
    'bad',
    /is for "docker.io\/evil\/db", not for docker.io\/library\/db/,
  ],
  ['a signature of something that is no image', [simple({ type: 'a contract' })], trusted, 'bad', /about something that is no image/],
  [
    'a bundle that is an attestation',
    [bundle({ predicateType: 'https://slsa.dev/provenance/v1' })],
    trusted,
    'bad',
    /is no signature but says/,
  ],
  ['a bundle of another payload', [bundle({ payloadType: 'text/plain' })], trusted, 'bad', /holds "text\/plain"/],
  ['keyless', [simple({ keyless: true }), bundle({ certificate: true })], trusted, 'unchecked', /keyless/],
  ['no bundle at all', [{ form: 'bundle', text: '{"mediaType":7' }], trusted, 'bad', /cannot be read/],
  ['a bundle of null', [{ form: 'bundle', text: 'null' }], trusted, 'bad', /cannot be read/],
  ['no signature at all', [{ form: 'cosign-tag', payload: '', signature: '', keyless: false }], trusted, 'bad', /by none of the 1 keys/],
  [
    'a good one among bad ones',
    [simple({ by: stranger.privateKey }), bundle({ about: other }), simple()],
    trusted,
    'verified',
    /another digest/,
  ],
  ['a name that says nothing', [simple({ reference: '' })], trusted, 'verified'],
  ['with a tag in its name', [simple({ reference: 'docker.io/db:17' })], trusted, 'verified'],
  [
    'the name of the origin, which a rule allows',
    [simple({ reference: 'registry.k8s.io/db' })],
    [rule(vendor.publicKey, { signedAs: 'registry.k8s.io/*' })],
    'verified',
  ],
  [
    'the name of the origin, which a rule about another key allows',
    [simple({ reference: 'registry.k8s.io/db' })],
    [rule(vendor.publicKey), rule(stranger.publicKey, { signedAs: 'registry.k8s.io/*' })],
    'bad',
    /is for "registry.k8s.io\/db"/,
  ],
];

function simplePayload(about: Digest): string {
  const found = simple({ about });
  return found.form === 'cosign-tag' ? Buffer.from(found.payload, 'base64').toString() : '';
}

for (const [what, found, rules, outcome, problem] of cases)
  test(`signatures of an upstream: ${what} → ${outcome}`, () => {
    const { result, material } = judge(found, rules);
    assert.equal(result.outcome, outcome, JSON.stringify(result));
    assert.equal(result.found, found.length);
    if (problem) assert.match(result.problems.join('\n'), problem);
    assert.equal(material.length, outcome === 'verified' ? 1 : 0);
    // What is kept says the same again, and of another image nothing.
    if (material.length > 0) {
      assert.equal(judge([...material], rules).result.outcome, 'verified');
      assert.equal(judge([...material], rules, other).result.outcome, 'bad');
      assert.equal(judge([...material], [rule(stranger.publicKey)]).result.outcome, 'bad');
    }
  });

for (const [kind, pair] of [
  ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
  ['Ed25519', generateKeyPairSync('ed25519')],
  ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 })],
] as const)
  test(`a key of the kind ${kind} verifies, and another of its kind does not`, () => {
    const made = simple();
    assert.ok(made.form === 'cosign-tag');
    const payload = Buffer.from(made.payload, 'base64');
    const signature = sign(kind === 'Ed25519' ? null : 'sha256', payload, pair.privateKey).toString('base64');
    assert.equal(judge([{ ...made, signature }], [rule(pair.publicKey)]).result.outcome, 'verified');
    assert.equal(judge([made], [rule(pair.publicKey)]).result.outcome, 'bad');
  });

for (const [what, text] of [
  ['a private key', vendor.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
  ['a private key behind a public one', `${pem(vendor.publicKey)}${vendor.privateKey.export({ type: 'pkcs8', format: 'pem' })}`],
  ['a short RSA key', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)],
  ['a key for agreeing on secrets', pem(generateKeyPairSync('x25519').publicKey)],
  ['nothing', ''],
  ['a certificate', '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n'],
] as const)
  test(`no key to trust: ${what}`, () => {
    assert.throws(() => parseUpstreamKey(text), { code: 'INVALID_INPUT' });
  });

async function put(
  client: RegistryClient,
  layers: { bytes: Buffer; mediaType: string; annotations?: object }[],
  tag: string,
): Promise<Resolved> {
  const config = Buffer.from('{}');
  for (const bytes of [config, ...layers.map((each) => each.bytes)])
    await client.putBlob('library/db', { bytes }, { digest: digestOf(bytes), size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: ociManifest,
      config: { mediaType: ociConfig, digest: digestOf(config), size: config.length },
      layers: layers.map(({ bytes, mediaType, annotations }) => ({ mediaType, digest: digestOf(bytes), size: bytes.length, annotations })),
    }),
  );
  const { digest: made } = await client.putManifest('library/db', manifest, ociManifest, { tag });
  return { digest: made, mediaType: ociManifest, size: manifest.length };
}

test('signatures are found where cosign puts them, and what is too large, broken or many is told and not read', async () => {
  await using registry = await startTestRegistry({ open: true, mutableTags: true });
  using client = connectRegistry({ registry: registry.host, plainHttp: true });
  const signal = AbortSignal.timeout(30_000);
  const image = await put(client, [], 'v1');
  const look = () => findSignatures(client, 'library/db', image.digest, signal);
  assert.deepEqual(await look(), { found: [], problems: [] });

  const tag = `sha256-${hexOf(image.digest)}.sig`;
  const layer = (bytes: Buffer) => ({
    bytes,
    mediaType: simpleSigningMediaType,
    annotations: { 'dev.cosignproject.cosign/signature': 'AAAA' },
  });
  const large = Buffer.alloc(signatureLimits.payloadBytes + 1);
  await put(client, [layer(Buffer.from('one')), layer(large), { ...layer(Buffer.from('two')), annotations: {} }], tag);
  const attach = (blob: Buffer, blobMediaType: string = bundleMediaType, annotations?: Record<string, string>) =>
    client.attachReferrer('library/db', image, {
      artifactType: bundleMediaType,
      blob,
      blobMediaType,
      ...(annotations ? { annotations } : {}),
    });
  await attach(Buffer.from('a bundle'));
  await attach(Buffer.alloc(signatureLimits.bundleBytes + 1));
  await attach(Buffer.from('an attestation'), bundleMediaType, { 'dev.sigstore.bundle.predicateType': 'https://slsa.dev/provenance/v1' });
  await attach(Buffer.from('an SBOM'), ociEmpty);
  const { found, problems } = await look();
  assert.deepEqual(found, [
    { form: 'cosign-tag', payload: Buffer.from('one').toString('base64'), signature: 'AAAA', keyless: false },
    { form: 'bundle', text: 'a bundle' },
  ]);
  assert.equal(problems.length, 2);
  assert.match(problems.join('\n'), /a signature of 65537 bytes is larger[^]*a bundle of 131073 bytes is larger/);

  await put(
    client,
    Array.from({ length: 30 }, (_, n) => layer(Buffer.from(String(n)))),
    tag,
  );
  const many = await look();
  assert.equal(many.found.length, signatureLimits.signatures);
  assert.match(many.problems.join('\n'), /the others were not looked at/);
});

test('an upstream that refuses, or breaks off, is told: its silence is no "there is none"', async () => {
  let mood: 'refuse' | 'break' = 'refuse';
  await using registry = await startTestRegistry({
    open: true,
    wrap: (handle) => async (request, response) => {
      if (!/\/referrers\/|\/manifests\/sha256-/.test(request.url ?? '')) return handle(request, response);
      if (mood === 'break') return void request.socket.destroy();
      return void response.writeHead(403).end();
    },
  });
  using client = connectRegistry({ registry: registry.host, plainHttp: true });
  for (mood of ['refuse', 'break'] as const) {
    const { found, problems } = await findSignatures(client, 'library/db', digest, AbortSignal.timeout(30_000));
    assert.deepEqual(found, []);
    assert.match(problems.join('\n'), /tag of signatures could not be read[^]*list of referrers could not be read/, mood);
  }
});
