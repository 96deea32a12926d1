import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { emptyRoot } from './merkle.ts';
import { checkpointText, mergeNotes, noteSigner, parseVerifierKey, verifyCheckpoint } from './note.ts';

const newKey = () => new Secret(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
const checkpoint = { origin: 'waybill.example/ledger', size: 42, root: emptyRoot };
const text = checkpointText(checkpoint);
const signer = noteSigner('waybill.example/ledger', newKey());
const witness = noteSigner('witness', newKey());
const trusted = [parseVerifierKey(signer.verifierKey)];

// The example of the Go package golang.org/x/mod/sumdb/note, where the format comes from.
const neumann = parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'); // waybill:allow a public key, of the documentation
const published =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n" +
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';

test("the published note's signature is right; it is only no checkpoint", () => {
  assert.throws(
    () => verifyCheckpoint(published, [neumann]),
    (e) => isWaybillError(e, 'INVALID_INPUT'),
  );
  assert.throws(
    () => verifyCheckpoint(published.replace('think', 'know'), [neumann]),
    (e) => isWaybillError(e, 'LEDGER_BROKEN'),
  );
});

test('a signed checkpoint verifies, and says who signed', () => {
  const verified = verifyCheckpoint(signer.sign(text), trusted);
  assert.deepEqual(verified, { ...checkpoint, signers: [signer.verifierKey.split('+').slice(0, 2).join('+')] });
});

test("a witness's signature may stand beside the ledger's", () => {
  const both = mergeNotes(signer.sign(text), witness.sign(text));
  assert.equal(verifyCheckpoint(both, trusted).signers.length, 1);
  assert.equal(verifyCheckpoint(both, [...trusted, parseVerifierKey(witness.verifierKey)]).signers.length, 2);
  assert.equal(mergeNotes(both, witness.sign(text)), both);
  assert.throws(() => mergeNotes(both, witness.sign(checkpointText({ ...checkpoint, size: 43 }))));
});

const note = signer.sign(text);
const line = note.slice(note.indexOf('— '));
const refused: [string, string][] = [
  ['signed by an unknown key alone', witness.sign(text)],
  ['another size', note.replace('\n42\n', '\n43\n')],
  ['another origin', note.replace('waybill.example/ledger\n42', 'waybill.example/other\n42')],
  ['no signature', `${text}\n`],
  ['no empty line', text + line],
  ['a key of the same name, with its own id', noteSigner('waybill.example/ledger', newKey()).sign(text)],
  ['a damaged signature', note.replace(/(.{6})=\n$/, 'AAAAAA=\n')],
  ['a signature that is not base64', `${text}\n— waybill.example/ledger ***\n`],
  ['a size with a leading zero', signer.sign(text.replace('\n42\n', '\n042\n'))],
  ['a negative size', signer.sign(text.replace('\n42\n', '\n-1\n'))],
  ['a huge size', signer.sign(text.replace('\n42\n', '\n99999999999999999999\n'))],
  ['a short root', signer.sign('o\n1\nAAAA\n')],
  ['only an origin', signer.sign('o\n')],
  ['too large', `${'x'.repeat(70_000)}\n\n${line}`],
  ['too many signatures', `${text}\n${line.repeat(20)}`],
  ['nothing', ''],
];
for (const [what, bad] of refused)
  test(`refused: ${what}`, () => {
    assert.throws(
      () => verifyCheckpoint(bad, trusted),
      (e) => isWaybillError(e, 'LEDGER_BROKEN', 'INVALID_INPUT', 'LIMIT_EXCEEDED'),
    );
  });

for (const bad of ['', 'a', 'a+b', 'PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'x+00000000+AQ=='])
  test(`no verifier key: ${JSON.stringify(bad)}`, () => {
    assert.throws(
      () => parseVerifierKey(bad),
      (e) => isWaybillError(e, 'INVALID_INPUT'),
    );
  });

test('keys of another kind and impossible names do not sign', () => {
  const ec = new Secret(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  assert.throws(
    () => noteSigner('a', ec),
    (e) => isWaybillError(e, 'INVALID_INPUT'),
  );
  for (const name of ['', 'a b', 'a+b', 'a\nb'])
    assert.throws(
      () => noteSigner(name, newKey()),
      (e) => isWaybillError(e, 'INVALID_INPUT'),
    );
});
