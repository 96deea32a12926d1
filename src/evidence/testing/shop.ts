import { digestOf, type Digest } from '../../kernel/digest.ts';
import type { GitOid } from '../../kernel/git-oid.ts';
import type { BuildFacts, ReviewFacts, SourceFacts, StageFacts } from '../facts.ts';
import { generatePapersKey, loadPapersKey, ringKey, type KeyRing, type SigningKey } from '../keys.ts';
import type { Names } from '../subjects.ts';

/** Facts about one run of an imaginary shop, and real keys, for the tests of this folder. */
export const now = new Date('2026-11-22T12:00:00.000Z');
export const clock = { now: () => now };

export const names: Names = {
  builderId: 'https://waybill.test/builder',
  repositoryUri: (repository) => `git+https://waybill.test/${repository}`,
  imageUri: (repository) => `oci://registry.waybill.test/${repository}`,
};
export const policy = { uri: 'https://waybill.test/policy', digest: { sha256: 'ab'.repeat(32) } };

export const source: SourceFacts = {
  repository: 'shop',
  commit: '1'.repeat(40) as GitOid,
  tree: '2'.repeat(40) as GitOid,
  ref: 'refs/heads/main',
};
export const image: Digest = digestOf('the manifest of an image');

export const review: ReviewFacts = {
  source,
  change: 3,
  version: 2,
  base: '3'.repeat(40) as GitOid,
  head: '4'.repeat(40) as GitOid,
  reviewedTree: source.tree,
  onto: '3'.repeat(40) as GitOid,
  method: 'identical',
  approvals: [{ reviewer: 'rosa', at: '2026-11-22T10:00:00.000Z' }],
  authors: ['dan'],
  mergedBy: 'rosa',
  mergedAt: '2026-11-22T10:05:00.000Z',
};

export function stage(name: string): StageFacts {
  return {
    source,
    run: 12,
    stage: name,
    executedIn: 11,
    jobs: [{ name: 'unit', steps: 2, status: 'passed' }],
    startedAt: '2026-11-22T10:06:00.000Z',
    finishedAt: '2026-11-22T10:07:00.000Z',
  };
}

export const build: BuildFacts = {
  source,
  run: 12,
  image: { name: 'shop', repository: 'shop/shop', digest: image },
  definition: { base: 'node:24', files: { dist: '/app' } },
  base: { reference: 'docker.io/library/node:24', digest: digestOf('base') },
  layers: [{ diffId: digestOf('diff'), digest: digestOf('layer'), from: 'dist', to: '/app' }],
  compressor: 'gzip',
  builder: '0.1.0',
  startedAt: '2026-11-22T10:08:00.000Z',
  finishedAt: '2026-11-22T10:08:02.000Z',
};

export function newSigner(): { key: SigningKey; ring: KeyRing } {
  const pair = generatePapersKey();
  return {
    key: loadPapersKey(pair.privateKey),
    ring: { keys: [ringKey(pair.publicKey, { validFrom: new Date('2026-01-01T00:00:00Z') })] },
  };
}
