import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { test } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { generateCheckpointKey, generatePapersKey, keyRingFile, loadPapersKey, parseKeyRing, ringKey, usableKey } from './keys.ts';

const pair = generatePapersKey();
const ring = {
  keys: [
    ringKey(pair.publicKey, {
      validFrom: new Date('2026-01-01T00:00:00Z'),
      validUntil: new Date('2027-01-01T00:00:00Z'),
      revokedAt: new Date('2026-06-01T00:00:00Z'),
    }),
  ],
};

test('a key ring survives its file', () => {
  assert.deepEqual(keyRingFile(parseKeyRing(JSON.parse(JSON.stringify(keyRingFile(ring))))), keyRingFile(ring));
});

test('a key pair shows its private half nowhere', () => {
  for (const text of [JSON.stringify(pair), inspect(pair, { depth: 9, showHidden: true }), String(pair.privateKey)])
    assert.ok(!text.includes(pair.privateKey.reveal().split('\n')[1] ?? 'PRIVATE'));
  const loaded = inspect(loadPapersKey(pair.privateKey), { depth: 9, showHidden: true });
  assert.ok(!loaded.includes('PRIVATE'));
});

const good = keyRingFile(ring);
const [entry] = good.keys;
assert.ok(entry);
const pemOf = (key: { export(o: { type: 'spki'; format: 'pem' }): string | Buffer }) =>
  key.export({ type: 'spki', format: 'pem' }).toString();
const bad: [string, unknown][] = [
  ['nothing', null],
  ['another version', { ...good, version: 2 }],
  ['an unknown field', { ...good, extra: 1 }],
  ['the id of another key', { ...good, keys: [{ ...entry, publicKey: generatePapersKey().publicKey }] }],
  ['a key twice', { ...good, keys: [entry, entry] }],
  ['an Ed25519 key', { ...good, keys: [{ ...entry, publicKey: generateCheckpointKey().publicKey }] }],
  ['another curve', { ...good, keys: [{ ...entry, publicKey: pemOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey) }] }],
  ['a private key', { ...good, keys: [{ ...entry, publicKey: pair.privateKey.reveal() }] }],
  ['no PEM', { ...good, keys: [{ ...entry, publicKey: 'x' }] }],
  ['a time that is none', { ...good, keys: [{ ...entry, validFrom: 'yesterday' }] }],
];
for (const [what, value] of bad)
  test(`a key ring with ${what} is refused`, () => {
    assert.throws(
      () => parseKeyRing(value),
      (e) => isWaybillError(e, 'INVALID_INPUT'),
    );
  });

const times: [string, string, string | undefined][] = [
  ['before it was valid', '2025-12-31T23:59:59Z', 'PAPER_KEY_EXPIRED'],
  ['within its time', '2026-03-01T00:00:00Z', undefined],
  ['at its revocation', '2026-06-01T00:00:00Z', 'PAPER_KEY_REVOKED'],
  ['after its revocation', '2026-07-01T00:00:00Z', 'PAPER_KEY_REVOKED'],
];
for (const [what, at, code] of times)
  test(`a key used ${what}: ${code ?? 'counts'}`, () => {
    const use = () => usableKey(ring, pair.keyId, new Date(at));
    if (code === undefined) assert.equal(use().keyId, pair.keyId);
    else assert.throws(use, (e) => isWaybillError(e) && e.code === code);
  });

test('what is no P-256 key does not sign, and is not repeated', () => {
  for (const pem of [generateCheckpointKey().privateKey, new Secret('not a key at all')])
    assert.throws(
      () => loadPapersKey(pem),
      (e) => isWaybillError(e, 'INVALID_INPUT') && !e.message.includes('not a key at all'),
    );
});
