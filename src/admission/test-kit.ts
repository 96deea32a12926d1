import { generatePapersKey, loadPapersKey, ringKey, type KeyRing, type SigningKey } from '../evidence/keys.ts';
import { signSnapshot } from '../evidence/snapshot-envelope.ts';
import type { Snapshot, SnapshotImage } from '../evidence/snapshot.ts';
import { digestOf, type Digest } from '../kernel/digest.ts';
import { parseGitOid } from '../kernel/git-oid.ts';
import { parsePolicySet, type PolicySet } from '../policy/evidence-policy.ts';
import type { KnowledgeSource } from './judge-object.ts';
import { indexSnapshot, noKnowledge } from './snapshot-index.ts';

// What the tests of this folder share: real keys, real snapshots, and reviews as an API server writes them.

export const now = new Date('2026-11-22T12:00:00Z');
export const host = 'registry.example:5000';
export const good: Digest = digestOf('shop');
export const other: Digest = digestOf('other');
export const bad: Digest = digestOf('nobody knows it');
export const goodImage = `${host}/shop/shop@${good}`;
export const otherImage = `${host}/shop/other@${other}`;

export function entry(change: Partial<SnapshotImage> = {}): SnapshotImage {
  return {
    digest: good,
    repository: 'shop/shop',
    source: { repository: 'shop', commit: parseGitOid('a'.repeat(40)), tree: parseGitOid('b'.repeat(40)) },
    review: { change: 3, method: 'identical', approvals: ['ada'] },
    tests: [{ stage: 'core', passed: true }],
    provenance: true,
    run: 12,
    validUntil: '2027-01-01T00:00:00Z',
    ...change,
  };
}

export function snapshot(change: Partial<Snapshot> = {}): Snapshot {
  return {
    version: 1,
    sequence: 10,
    issuedAt: '2026-11-22T11:00:00Z',
    expiresAt: '2026-11-23T11:00:00Z',
    images: [entry(), entry({ digest: other, repository: 'shop/other' })],
    revoked: [],
    ...change,
  };
}

export function policies(change: object = {}): PolicySet {
  return parsePolicySet({ default: policy(), ...change }, { ownNamespace: 'waybill-system' });
}

export function policy(change: object = {}): object {
  return { registry: [host], mode: 'enforce', require: { review: { approvals: 1 }, tests: 'all', provenance: true }, ...change };
}

export function known(held: Snapshot | undefined = snapshot(), at: Date = now): KnowledgeSource & { readonly ready: boolean } {
  const knowledge = held === undefined ? noKnowledge : indexSnapshot(held).knowledge(at);
  return { ready: held !== undefined, knowledge: () => Promise.resolve(knowledge) };
}

export function signer(): { key: SigningKey; ring: KeyRing; sign(held: Snapshot): Buffer } {
  const pair = generatePapersKey();
  const key = loadPapersKey(pair.privateKey);
  const ring: KeyRing = { keys: [ringKey(pair.publicKey, { validFrom: new Date('2026-01-01T00:00:00Z') })] };
  return { key, ring, sign: (held) => Buffer.from(signSnapshot(held, key)) };
}

export function pod(image: unknown = goodImage, metadata: object = {}): object {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'shop', ...metadata }, spec: { containers: [{ name: 'web', image }] } };
}

export function review(object: unknown, change: object = {}): { apiVersion: string; kind: string; request: object } {
  const { apiVersion = 'v1', kind = 'Pod' } = (object ?? {}) as { apiVersion?: string; kind?: string };
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/', 2) : ['', apiVersion];
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      kind: { group, version, kind },
      namespace: 'prod',
      operation: 'CREATE',
      userInfo: { username: 'eve' },
      object,
      oldObject: null,
      dryRun: false,
      ...change,
    },
  };
}
