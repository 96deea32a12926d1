import { digestOf, type Digest } from '../../kernel/digest.ts';
import type { GitOid } from '../../kernel/git-oid.ts';
import type { BuildFacts, RescanFacts, ReviewFacts, SbomFacts, ScanFacts, SourceFacts, StageFacts } from '../facts.ts';
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

/** A scan of the run's source or image that passed; an accepted vulnerability, and one that was known before. */
export function scan(kind: ScanFacts['scan'], more: Partial<ScanFacts> = {}): ScanFacts {
  return {
    source,
    run: 12,
    scan: kind,
    ...(kind === 'image' ? { image: { repository: 'shop/shop', digest: image } } : {}),
    record: digestOf(`the record of ${kind}`),
    scanner: 'waybill 0.1.0',
    startedAt: '2026-11-22T10:06:00.000Z',
    finishedAt: '2026-11-22T10:06:01.000Z',
    level: 'new',
    comparedWith: `gitCommit:${review.onto}`,
    covered: { files: 12, bytes: 4_000, components: kind === 'secrets' ? 0 : 30, skipped: 0 },
    ...(kind === 'secrets' ? { rules: { count: 200, digest: digestOf('rules') } } : {}),
    databases:
      kind === 'secrets' ? [] : [{ ecosystem: 'npm', advisories: 467, digest: digestOf('advisories'), updatedAt: '2026-11-21T00:00:00Z' }],
    findings:
      kind === 'dependencies'
        ? [
            {
              kind: 'vulnerability',
              id: 'CVE-2026-1',
              severity: 'medium',
              isNew: false,
              fails: false,
              component: 'pkg:npm/a@1.0.0',
              vector: 'CVSS:3.1/AV:N',
              fixed: ['1.0.1'],
            },
            {
              kind: 'vulnerability',
              id: 'CVE-2026-2',
              severity: 'critical',
              isNew: true,
              fails: false,
              component: 'pkg:npm/b@1.0.0',
              waiver: { owner: 'rosa', reason: 'not reachable', expires: '2026-12-24' },
            },
          ]
        : [],
    ...more,
  };
}

/** A look at the image an hour before `now`, in newer advisories; a critical vulnerability that nobody accepted. */
export function rescan(more: Partial<RescanFacts> = {}): RescanFacts {
  return {
    ...scan('image'),
    scan: 'image',
    record: digestOf('the record of a later look'),
    startedAt: '2026-11-22T11:00:00.000Z',
    finishedAt: '2026-11-22T11:00:01.000Z',
    comparedWith: image,
    databases: [{ ecosystem: 'npm', advisories: 468, digest: digestOf('newer advisories'), updatedAt: '2026-11-22T00:00:00Z' }],
    findings: [
      { kind: 'vulnerability', id: 'CVE-2026-3', severity: 'critical', isNew: true, fails: true, component: 'pkg:npm/c@1.0.0', fixed: [] },
    ],
    sbom: digestOf('the list of components'),
    databaseDays: 7,
    toldAt: '2026-11-22T11:00:02.000Z',
    before: ['2026-11-22T10:06:01.000Z'],
    ...more,
  };
}

export const sbom: SbomFacts = {
  source,
  run: 12,
  image: { repository: 'shop/shop', digest: image },
  document: { bomFormat: 'CycloneDX', specVersion: '1.6', version: 1, components: [{ type: 'library', name: 'a', version: '1.0.0' }] },
};

export function newSigner(): { key: SigningKey; ring: KeyRing } {
  const pair = generatePapersKey();
  return {
    key: loadPapersKey(pair.privateKey),
    ring: { keys: [ringKey(pair.publicKey, { validFrom: new Date('2026-01-01T00:00:00Z') })] },
  };
}
