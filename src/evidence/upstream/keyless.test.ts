import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, test } from 'node:test';
import { digestOf, hexOf, type Digest } from '../../kernel/digest.ts';
import { signPredicateType } from './found-signature.ts';
import { judgeSignatures, type TrustRule } from './judge-signatures.ts';
import { startTestSigstore, type TestSigstore } from './sigstore.fixture.ts';
import { parseUpstreamIdentity } from './upstream-identity.ts';
import { parseUpstreamKey } from './upstream-key.ts';

const name = 'gcr.io/distroless/static';
const digest = digestOf('static');
const vendor = { subject: 'https://forge.example/vendor/images/.ci/release.yml@refs/heads/main', issuer: 'https://issuer.forge.example' };
const statement = (about: Digest = digest, predicateType: string = signPredicateType) => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ digest: { sha256: hexOf(about) } }],
  predicateType,
  predicate: {},
});

let sigstore: TestSigstore;
let other: TestSigstore;
before(async () => {
  [sigstore, other] = await Promise.all([startTestSigstore(), startTestSigstore()]);
});
after(async () => {
  await sigstore[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

const trust = (identity: string = vendor.subject, issuer: string = vendor.issuer, root = sigstore.trustedRoot): TrustRule => ({
  images: 'gcr.io/distroless/*',
  by: parseUpstreamIdentity({ identity, issuer, trustedRoot: root }),
  required: true,
});
const judge = (text: string, rules: readonly TrustRule[]) =>
  judgeSignatures({ name, digest, found: [{ form: 'bundle', text }], problems: [], rules }).result;

test('a keyless signature counts when authority, logs, subject and issuer are the trusted ones', async () => {
  const bundle = await sigstore.sign(statement(), vendor);
  const found = judge(bundle, [trust()]);
  assert.equal(found.outcome, 'verified', JSON.stringify(found));
  assert.deepEqual(
    found.verified.map((each) => each.identity),
    [`${vendor.subject} (${vendor.issuer})`],
  );
  assert.equal(judge(bundle, [trust('https://forge.example/vendor/images/*')]).outcome, 'verified');

  const key = parseUpstreamKey(
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  );
  const byKey: TrustRule = { images: 'gcr.io/**', by: key, required: false };
  const unchecked = judge(bundle, [byKey]);
  assert.equal(unchecked.outcome, 'unchecked');
  assert.match(unchecked.problems.join(), /keyless.*no identity is trusted/);
  assert.equal(judge(bundle, [byKey, trust()]).outcome, 'verified');
});

test('nobody else, nothing else, and not without the log', async () => {
  const good = await sigstore.sign(statement(), vendor);
  const changed = (change: (bundle: { verificationMaterial: Record<string, unknown>; dsseEnvelope: { payload: string } }) => void) => {
    const bundle = JSON.parse(good) as Parameters<typeof change>[0];
    change(bundle);
    return JSON.stringify(bundle);
  };
  const elsewhere = JSON.parse(await sigstore.sign(statement(), { ...vendor, subject: 'mallory@evil.example' })) as {
    verificationMaterial: { certificate: unknown };
  };
  const cases: readonly [string, string, TrustRule, RegExp?][] = [
    ['another subject', await sigstore.sign(statement(), { ...vendor, subject: 'mallory@evil.example' }), trust()],
    ['a subject that only begins like it', await sigstore.sign(statement(), { ...vendor, subject: `${vendor.subject}-evil` }), trust()],
    [
      'a subject that a regular expression would take',
      await sigstore.sign(statement(), { ...vendor, subject: vendor.subject.replace('.', 'x') }),
      trust(),
    ],
    ['a beginning that is another', good, trust('https://forge.example/vendors/*')],
    ['another issuer', await sigstore.sign(statement(), { ...vendor, issuer: 'https://issuer.evil.example' }), trust()],
    ['another authority that says the same', await other.sign(statement(), vendor), trust()],
    ['a root that is not of this authority', good, trust(vendor.subject, vendor.issuer, other.trustedRoot)],
    ['no entry in the log', changed((b) => void (b.verificationMaterial['tlogEntries'] = [])), trust()],
    [
      'the certificate of somebody else',
      changed((b) => void (b.verificationMaterial['certificate'] = elsewhere.verificationMaterial.certificate)),
      trust(),
    ],
    [
      'a payload that was swapped',
      changed((b) => void (b.dsseEnvelope.payload = Buffer.from(JSON.stringify(statement(digestOf('x')))).toString('base64'))),
      trust(),
    ],
    ['another digest', await sigstore.sign(statement(digestOf('another')), vendor), trust(), /about another digest/],
    ['an attestation', await sigstore.sign(statement(digest, 'https://slsa.dev/provenance/v1'), vendor), trust(), /is no signature/],
  ];
  for (const [what, bundle, rule, words] of cases) {
    const found = judge(bundle, [rule]);
    assert.equal(found.outcome, 'bad', what);
    assert.match(found.problems.join(), words ?? /by none of the 1/, what);
  }
});

test('what is no identity, issuer or root is not trusted', () => {
  const input = { identity: vendor.subject, issuer: vendor.issuer, trustedRoot: sigstore.trustedRoot };
  const root = JSON.parse(sigstore.trustedRoot) as Record<string, unknown>;
  for (const wrong of [
    { identity: '*' },
    { identity: 'a*b' },
    { identity: 'two words' },
    { identity: '' },
    { issuer: 'http://issuer.example' },
    { issuer: '' },
    { trustedRoot: '' },
    { trustedRoot: '[]' },
    { trustedRoot: '{}' },
    { trustedRoot: JSON.stringify({ ...root, tlogs: [] }) },
    { trustedRoot: JSON.stringify({ ...root, ctlogs: [] }) },
    { trustedRoot: JSON.stringify({ ...root, certificateAuthorities: [] }) },
    { trustedRoot: ' '.repeat(2_000_000) },
  ])
    assert.throws(() => parseUpstreamIdentity({ ...input, ...wrong }), { code: 'INVALID_INPUT' }, JSON.stringify(wrong).slice(0, 100));
});
