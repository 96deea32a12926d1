import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import type { FoundSignature } from '../evidence/upstream/found-signature.ts';
import { judgeSignatures } from '../evidence/upstream/judge-signatures.ts';
import { parseUpstreamKey } from '../evidence/upstream/upstream-key.ts';
import { digestOf } from '../kernel/digest.ts';
import type { ImageImport } from '../registry/imports.ts';
import type { TrustedUpstream } from '../registry/upstream-trust.ts';
import { importFacts } from './import-facts.ts';

const digest = digestOf('a database');
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicKey = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const key = parseUpstreamKey(publicKey);
const trust = (more: Partial<TrustedUpstream> = {}): TrustedUpstream => ({
  id: 1,
  images: 'docker.io/library/*',
  by: { publicKey },
  keyId: key.keyId,
  required: true,
  addedBy: 'root',
  addedAt: '2026-11-20T10:00:00Z',
  ...more,
});

const payload = Buffer.from(
  JSON.stringify({
    critical: {
      identity: { 'docker-reference': 'index.docker.io/library/db' },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    },
  }),
);
const signature: FoundSignature = {
  form: 'cosign-tag',
  payload: payload.toString('base64'),
  signature: sign('sha256', payload, pair.privateKey).toString('base64'),
  keyless: false,
};
const rules = [{ images: '**', by: key, required: true }];
const signed = judgeSignatures({ name: 'docker.io/library/db', digest, found: [signature], problems: [], rules });
const unsigned = judgeSignatures({ name: 'docker.io/library/db', digest, found: [], problems: [], rules: [] });
const honest = JSON.stringify({ signatures: signed.result, material: signed.material });

function facts(signatures: string | undefined, trusted: readonly TrustedUpstream[], of = digest) {
  const made: ImageImport = {
    id: 1,
    reference: 'docker.io/db:1',
    digest: of,
    repository: 'import/db',
    reason: 'orders',
    requestedBy: 'dana',
    requestedAt: '2026-11-20T10:00:00Z',
    state: 'imported',
    approvals: [{ reviewer: 'rita', at: '2026-11-20T11:00:00Z' }],
    importedAt: '2026-11-20T11:01:00Z',
    ...(signatures === undefined ? {} : { signatures }),
  };
  return importFacts(
    {
      imports: { get: async () => made },
      upstreamTrust: { list: async () => [...trusted] },
      documents: { get: async () => assert.fail('it was not scanned') },
      requiredApprovals: 1,
      reviewers: async () => new Set(['rita']),
    },
    1,
  );
}

test('the signer judges the signatures of an upstream itself, from their bytes', async () => {
  const { signatures } = await facts(honest, [trust()]);
  assert.deepEqual([signatures?.outcome, signatures?.verified.map((each) => each.keyId)], ['verified', [key.keyId]]);
});

test('an import of before there were signatures has none in its paper, and one that nobody signed says so', async () => {
  assert.equal((await facts(undefined, [])).signatures, undefined);
  const none = JSON.stringify({ signatures: unsigned.result, material: [] });
  assert.equal((await facts(none, [trust({ required: false })])).signatures?.outcome, 'none');
});

const claim = (result: object, material: readonly FoundSignature[]) => JSON.stringify({ signatures: result, material });
for (const [what, signatures, trusted, words, of] of [
  ['claims a signature that it does not show', claim(signed.result, []), [trust()], /without a signature/],
  ['shows a signature of another image', honest, [trust()], /is said to be signed by its upstream, and is not/, digestOf('another')],
  ['shows a signature by a key that is trusted no more', honest, [], /is said to be signed by its upstream, and is not/],
  ['must be signed, and is not', claim(unsigned.result, []), [trust()], /must be signed by its upstream/],
  ['must be signed, and the record of it is gone', undefined, [trust()], /nobody has looked/],
  ['must be signed, and the record of it cannot be read', '{', [trust()], /nobody has looked/],
] as const)
  test(`the signer signs no import that ${what}`, async () => {
    await assert.rejects(facts(signatures, trusted, of), (error: Error) => words.test(error.message));
  });
