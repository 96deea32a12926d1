import assert from 'node:assert/strict';
import { test } from 'node:test';
import { property, assert as check, uint8Array, nat } from 'fast-check';
import { isWaybillError, type WaybillError } from '../kernel/error.ts';
import { openBundle, signStatement } from './bundle.ts';
import { pae, signEnvelope } from './dsse.ts';
import { ringKey } from './keys.ts';
import { parseStatement, subjectMatches, subjectsOf } from './statement.ts';
import { provenanceStatement } from './statements/provenance.ts';
import { reviewStatement, sourceSummaryStatement } from './statements/review.ts';
import { testsStatement } from './statements/tests.ts';
import { build, image, names, newSigner, now, policy, review, source, stage } from './testing/shop.ts';
import { verifyBundle } from './verify.ts';

const { key, ring } = newSigner();
const other = newSigner();
const statement = provenanceStatement(build, names);
const paper = signStatement(statement, key);
type Loose = {
  mediaType: unknown;
  verificationMaterial: Record<string, unknown>;
  dsseEnvelope: { payload: string; payloadType: string; signatures: Record<string, string>[] };
};
const edited = (edit: (bundle: Loose) => void, text = paper.bundle): string => {
  const bundle = JSON.parse(text) as Loose;
  edit(bundle);
  return JSON.stringify(bundle);
};
const resigned = (payload: string, payloadType = 'application/vnd.in-toto+json') =>
  edited((bundle) => {
    bundle.dsseEnvelope = structuredClone(signEnvelope(payloadType, Buffer.from(payload), key)) as unknown as Loose['dsseEnvelope'];
  });

test('the encoding that is signed is that of the DSSE specification', () => {
  assert.equal(
    pae('http://example.com/HelloWorld', Buffer.from('hello world')).toString(),
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  );
});

test('a paper verifies, says its key, and is about its subjects alone', () => {
  const verified = verifyBundle(paper.bundle, ring, now);
  assert.deepEqual(verified, { statement, keyId: key.keyId });
  assert.deepEqual(paper.subjects, [image]);
  assert.ok(subjectMatches(verified.statement, image));
  for (const wrong of [
    image.toUpperCase(),
    image.slice(0, -1),
    `sha512:${image.slice(7)}`,
    'sha256:',
    ':',
    '',
    'toString:x',
    '__proto__:x',
  ])
    assert.equal(subjectMatches(verified.statement, wrong), false, wrong);
});

test('papers about a source are found by commit, tree and image', () => {
  const made = parseStatement(testsStatement(stage('lint'), names, build.image));
  assert.deepEqual(subjectsOf(made), [image, `gitCommit:${source.commit}`, `gitTree:${source.tree}`]);
});

test('two-party review is claimed only for two strangers to the change and the very tree', () => {
  const levels = (facts: typeof review) => sourceSummaryStatement(facts, { names, policy, level: 2, at: now }).predicate.verifiedLevels;
  const at = now.toISOString();
  const two = {
    ...review,
    approvals: [
      { reviewer: 'rosa', at },
      { reviewer: 'ines', at },
    ],
  };
  const claim = ['SLSA_SOURCE_LEVEL_2', 'SLSA_SOURCE_TWO_PARTY_REVIEWED'];
  assert.deepEqual(levels(two), claim);
  assert.deepEqual(levels(review), claim.slice(0, 1));
  assert.deepEqual(levels({ ...two, method: 'mechanical-merge' }), claim.slice(0, 1));
  assert.deepEqual(levels({ ...two, authors: ['ines'] }), claim.slice(0, 1));
  assert.deepEqual(
    levels({
      ...two,
      approvals: [
        { reviewer: 'rosa', at },
        { reviewer: 'rosa', at },
      ],
    }),
    claim.slice(0, 1),
  );
});

const revoked = { keys: [ringKey(key.publicKey, { validFrom: new Date(0), revokedAt: now })] };
const expired = { keys: [ringKey(key.publicKey, { validFrom: new Date(0), validUntil: now })] };
const refusals: [string, string, WaybillError['code'], typeof ring?][] = [
  [
    'a changed payload',
    edited((b) => (b.dsseEnvelope.payload = Buffer.from(JSON.stringify({ ...statement, predicateType: 'a:b' })).toString('base64'))),
    'PAPER_BAD_SIGNATURE',
  ],
  ['a changed payload type', edited((b) => (b.dsseEnvelope.payloadType = 'application/vnd.waybill.snapshot.v1+json')), 'PAPER_MALFORMED'],
  ['another payload type, well signed', resigned('{}', 'text/plain'), 'PAPER_MALFORMED'],
  ["another key's signature", signStatement(statement, { ...other.key, keyId: key.keyId }).bundle, 'PAPER_BAD_SIGNATURE'],
  ['an unknown key', signStatement(statement, other.key).bundle, 'PAPER_UNKNOWN_KEY'],
  ['an empty key ring', paper.bundle, 'PAPER_UNKNOWN_KEY', { keys: [] }],
  ['a revoked key', paper.bundle, 'PAPER_KEY_REVOKED', revoked],
  ['an expired key', paper.bundle, 'PAPER_KEY_EXPIRED', expired],
  ['no hint', edited((b) => (b.verificationMaterial = { publicKey: {} })), 'PAPER_UNKNOWN_KEY'],
  ['no verification material', edited((b) => (b.verificationMaterial = {})), 'PAPER_MALFORMED'],
  ['a certificate', edited((b) => (b.verificationMaterial = { certificate: { rawBytes: 'AAAA' } })), 'PAPER_MALFORMED'],
  ['a keyid', edited((b) => b.dsseEnvelope.signatures.forEach((s) => (s['keyid'] = key.keyId))), 'PAPER_MALFORMED'],
  ['no signature', edited((b) => (b.dsseEnvelope.signatures = [])), 'PAPER_MALFORMED'],
  ['two signatures', edited((b) => b.dsseEnvelope.signatures.push({ sig: 'AAAA' })), 'PAPER_MALFORMED'],
  [
    'a signature in url-safe base64',
    edited((b) => b.dsseEnvelope.signatures.forEach((s) => (s['sig'] = `${s['sig']?.replace(/=+$/, '')}`.padEnd(99, '_')))),
    'PAPER_MALFORMED',
  ],
  ['white space in the payload', edited((b) => (b.dsseEnvelope.payload = `${b.dsseEnvelope.payload}\n`)), 'PAPER_MALFORMED'],
  ['bundle version 0.1', edited((b) => (b.mediaType = 'application/vnd.dev.sigstore.bundle+json;version=0.1')), 'PAPER_MALFORMED'],
  ['no media type', edited((b) => (b.mediaType = undefined)), 'PAPER_MALFORMED'],
  ['a payload that is no statement', resigned('{"a":1}'), 'PAPER_MALFORMED'],
  ['a payload that is no JSON', resigned('{'), 'PAPER_MALFORMED'],
  [
    'a payload that is no UTF-8',
    edited(
      (b) =>
        (b.dsseEnvelope = structuredClone(
          signEnvelope('application/vnd.in-toto+json', Uint8Array.of(0x22, 0xff, 0x22), key),
        ) as unknown as Loose['dsseEnvelope']),
    ),
    'PAPER_MALFORMED',
  ],
  ['a statement without subjects', resigned(JSON.stringify({ ...statement, subject: [] })), 'PAPER_MALFORMED'],
  ['a subject without digest', resigned(JSON.stringify({ ...statement, subject: [{ name: 'x', digest: {} }] })), 'PAPER_MALFORMED'],
  ['in-toto Statement v0.1', resigned(JSON.stringify({ ...statement, _type: 'https://in-toto.io/Statement/v0.1' })), 'PAPER_MALFORMED'],
  ['no object', '[]', 'PAPER_MALFORMED'],
  ['null', 'null', 'PAPER_MALFORMED'],
  ['no JSON', '', 'PAPER_MALFORMED'],
  ['too much', 'x'.repeat(17 * 1024 * 1024), 'LIMIT_EXCEEDED'],
];
for (const [what, bundle, code, keys = ring] of refusals)
  test(`refused: ${what}`, () => {
    assert.throws(
      () => verifyBundle(bundle, keys, now),
      (e) => {
        assert.ok(isWaybillError(e), String(e));
        assert.equal(e.code, code, e.message);
        return true;
      },
    );
  });

test('no signature but the signer’s passes, whatever bytes it has', () => {
  check(
    property(uint8Array({ minLength: 1, maxLength: 80 }), (bytes) => {
      const forged = edited((b) => (b.dsseEnvelope.signatures = [{ sig: Buffer.from(bytes).toString('base64') }]));
      assert.throws(
        () => verifyBundle(forged, ring, now),
        (e) => isWaybillError(e, 'PAPER_BAD_SIGNATURE'),
      );
    }),
  );
});

test('no damaged bundle passes or throws anything but a WaybillError', () => {
  const whole = openBundle(paper.bundle);
  check(
    property(nat(paper.bundle.length - 1), nat(255), (at, byte) => {
      const bytes = Buffer.from(paper.bundle);
      bytes[at] = byte;
      try {
        verifyBundle(bytes.toString(), ring, now);
      } catch (error) {
        assert.ok(isWaybillError(error), String(error));
        return;
      }
      // What still passes must be the same paper: the damage was in something that says nothing.
      const opened = openBundle(bytes.toString());
      assert.deepEqual([opened.payload, opened.signature, opened.keyId], [whole.payload, whole.signature, whole.keyId]);
    }),
    { numRuns: 1_000 },
  );
});

test('the review paper says who reviewed which tree, and how it was merged', () => {
  const { predicate } = reviewStatement(review, names, build.image);
  assert.equal(predicate.reviewedTree, source.tree);
  assert.deepEqual(predicate.approvals, [{ reviewer: 'rosa', at: '2026-11-22T10:00:00.000Z' }]);
});
