import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import { signStatement } from './bundle.ts';
import { ringKey } from './keys.ts';
import { acceptSnapshot, signSnapshot, verifySnapshot } from './snapshot-envelope.ts';
import type { Snapshot } from './snapshot.ts';
import { provenanceStatement } from './statements/provenance.ts';
import { build, image, names, newSigner, now, source } from './testing/shop.ts';

const { key, ring } = newSigner();
const later = (minutes: number) => new Date(now.getTime() + minutes * 60_000);
const snapshot: Snapshot = {
  version: 1,
  sequence: 7,
  issuedAt: now.toISOString(),
  expiresAt: later(60).toISOString(),
  images: [
    {
      digest: image,
      repository: 'shop/shop',
      source: { repository: 'shop', commit: source.commit, tree: source.tree },
      review: { change: 3, method: 'identical', approvals: ['rosa'] },
      tests: [{ stage: 'lint', passed: true }],
      provenance: true,
      run: 12,
      validUntil: later(9_000).toISOString(),
    },
  ],
  revoked: [{ digest: image, reason: 'leaked' }],
};
const signed = signSnapshot(snapshot, key);

test('a signed snapshot comes back as it was', () => {
  assert.deepEqual(verifySnapshot(signed, ring, now), snapshot);
});

type Loose = { payload: string; payloadType: string; signatures: { keyid: string; sig: string }[] };
const edited = (edit: (envelope: Loose) => void) => {
  const envelope = JSON.parse(signed) as Loose;
  edit(envelope);
  return JSON.stringify(envelope);
};
const stranger = newSigner().key;
const refused: [string, string, string, typeof ring?][] = [
  [
    'changed',
    edited((e) => (e.payload = Buffer.from(JSON.stringify({ ...snapshot, revoked: [] })).toString('base64'))),
    'PAPER_BAD_SIGNATURE',
  ],
  ['by an unknown key', signSnapshot(snapshot, stranger), 'PAPER_UNKNOWN_KEY'],
  ['by another key in the name of ours', signSnapshot(snapshot, { ...stranger, keyId: key.keyId }), 'PAPER_BAD_SIGNATURE'],
  ['by a revoked key', signed, 'PAPER_KEY_REVOKED', { keys: [ringKey(key.publicKey, { validFrom: new Date(0), revokedAt: now })] }],
  ['a paper offered as a snapshot', signStatement(provenanceStatement(build, names), key).bundle, 'PAPER_MALFORMED'],
  ['with two signatures', edited((e) => e.signatures.push({ keyid: 'x', sig: 'AAAA' })), 'PAPER_MALFORMED'],
  ['of another shape', signSnapshot({ ...snapshot, sequence: -1 }, key), 'PAPER_MALFORMED'],
  ['of another version', signSnapshot({ ...snapshot, version: 2 } as unknown as Snapshot, key), 'PAPER_MALFORMED'],
  ['no JSON', '', 'PAPER_MALFORMED'],
];
for (const [what, envelope, code, keys = ring] of refused)
  test(`refused: a snapshot ${what}`, () => {
    assert.throws(
      () => verifySnapshot(envelope, keys, now),
      (e) => {
        assert.ok(isWaybillError(e), String(e));
        assert.equal(e.code, code, e.message);
        return true;
      },
    );
  });

const next = { ...snapshot, sequence: 8, issuedAt: later(30).toISOString(), expiresAt: later(90).toISOString() };
const steps: [string, Snapshot | undefined, Snapshot, Date, boolean][] = [
  ['the first one', undefined, snapshot, now, true],
  ['a newer one', snapshot, next, later(31), true],
  ['the same one again', snapshot, snapshot, now, true],
  ['an older one', next, snapshot, later(31), false],
  ['an older one of the same sequence', { ...snapshot, issuedAt: later(1).toISOString() }, snapshot, later(2), false],
  ['one from the future', snapshot, { ...next, issuedAt: later(500).toISOString(), expiresAt: later(600).toISOString() }, now, false],
  ['an expired one while ours is fresh', { ...snapshot, expiresAt: later(500).toISOString() }, next, later(100), false],
  ['an expired newer one when ours is expired too', snapshot, next, later(100), true],
  ['an expired one at the start, when the server is gone', undefined, snapshot, later(100), true],
];
for (const [what, previous, offered, at, taken] of steps)
  test(`${taken ? 'taken' : 'refused'}: ${what}`, () => {
    if (taken) assert.equal(acceptSnapshot(previous, offered, at), offered);
    else
      assert.throws(
        () => acceptSnapshot(previous, offered, at),
        (e) => isWaybillError(e, 'SNAPSHOT_REFUSED'),
      );
  });
