import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../kernel/digest.ts';
import type { GitOid } from '../../kernel/git-oid.ts';
import { signStatement, type Paper } from '../bundle.ts';
import type { RescanFacts } from '../facts.ts';
import type { BuiltEntry, ImportedEntry, ScanSummary } from '../snapshot.ts';
import { vulnerabilitiesStatement } from '../statements/vulnerabilities.ts';
import { image, names, newSigner, now, rescan, scan, source } from '../testing/shop.ts';
import { newestLooks } from './newest-look.ts';

const { key, ring } = newSigner();
const stranger = newSigner().key;
const about = { repository: 'shop/shop', digest: image };
const at = (time: string, severity?: 'low' | 'critical', more: Partial<RescanFacts> = {}) =>
  rescan({
    startedAt: `2026-11-22T${time}:00.000Z`,
    finishedAt: `2026-11-22T${time}:01.000Z`,
    findings: severity ? [{ kind: 'vulnerability', id: 'CVE-1', severity, isNew: true, fails: true }] : [],
    ...more,
  });
const paper = (facts: RescanFacts, by = key): Paper => signStatement(vulnerabilitiesStatement(facts, names, about), by);

const own: NonNullable<ScanSummary['vulnerabilities']> = { at: '2026-11-22T10:06:01.000Z', worst: 'low' };
const entry = (scans?: ScanSummary): BuiltEntry => ({
  digest: image,
  repository: 'shop/shop',
  source: { repository: source.repository, commit: source.commit, tree: source.tree },
  tests: [],
  provenance: true,
  ...(scans ? { scans } : {}),
  run: 12,
  validUntil: '2027-01-01T00:00:00.000Z',
});

async function newest(papers: readonly Paper[], of: BuiltEntry | ImportedEntry = entry({ sbom: true, vulnerabilities: own })) {
  const looks = newestLooks(ring, async () =>
    papers.map(({ digest, bundle }) => ({ paper: digest, recordedAt: now.toISOString(), read: async () => bundle })),
  );
  const { images, skipped } = await looks([of], now);
  const [found] = images;
  return { look: found?.imported ? undefined : found?.scans?.vulnerabilities, skipped, found };
}

const bad = { at: '2026-11-22T11:30:00.000Z', worst: 'critical', databaseAt: '2026-11-22T00:00:00Z' };
const good = { at: '2026-11-22T11:00:00.000Z', databaseAt: '2026-11-22T00:00:00Z' };
const otherTree = { ...source, tree: '8'.repeat(40) as GitOid };

for (const [name, papers, expected, skips] of [
  ['without a later look the summary’s own stands', [], own, 0],
  ['a later look takes its place', [paper(at('11:00'))], good, 0],
  ['a bad one too', [paper(at('11:30', 'critical'))], bad, 0],
  ['a good one listed after it hides nothing', [paper(at('11:30', 'critical')), paper(at('11:00'))], bad, 0],
  ['nor one listed before it', [paper(at('11:00')), paper(at('11:30', 'critical'))], bad, 0],
  ['one from before the run’s own look is no news', [paper(at('09:00', 'critical'))], own, 0],
  ['one of the future does not count', [paper(at('13:00')), paper(at('11:30', 'critical'))], bad, 0],
  ['one by a stranger does not count', [paper(at('11:45'), stranger), paper(at('11:30', 'critical'))], bad, 1],
  ['one in our name by a stranger does not count', [paper(at('11:45'), { ...stranger, keyId: key.keyId })], own, 1],
  ['one about another source does not count', [paper(at('11:45', undefined, { source: otherTree }))], own, 1],
  [
    'one about another image does not count',
    [signStatement(vulnerabilitiesStatement(at('11:45'), names, { ...about, digest: digestOf('x') }), key)],
    own,
    1,
  ],
  [
    'the look of a run is no later look',
    [signStatement(vulnerabilitiesStatement(scan('image', { finishedAt: '2026-11-22T11:45:00.000Z' }), names, about), key)],
    own,
    0,
  ],
] as const)
  test(name, async () => {
    const { look, skipped } = await newest(papers);
    assert.deepEqual(look, expected);
    assert.equal(skipped.length, skips);
  });

test('a summary of the future gives way to a look of today, and stands where there is none', async () => {
  const future = entry({ vulnerabilities: { at: '2027-11-22T10:00:00.000Z' } });
  assert.deepEqual((await newest([paper(at('11:30', 'critical'))], future)).look, bad);
  assert.deepEqual((await newest([], future)).look, { at: '2027-11-22T10:00:00.000Z' });
});

test('an image that was never scanned, and an import, stay as they are', async () => {
  assert.deepEqual((await newest([paper(at('11:00'))], entry())).found, entry());
  const imported: ImportedEntry = {
    digest: image,
    repository: 'import/redis',
    imported: { number: 1, reference: 'docker.io/library/redis:7', requestedBy: 'dana', approvals: ['rosa'] },
    validUntil: '2027-01-01T00:00:00.000Z',
  };
  assert.deepEqual((await newest([paper(at('11:00'))], imported)).found, imported);
});

test('what was verified once is not read again', async () => {
  let read = 0;
  const { digest, bundle } = paper(at('11:00'));
  const looks = newestLooks(ring, async () => [
    {
      paper: digest,
      recordedAt: now.toISOString(),
      read: async () => {
        read++;
        return bundle;
      },
    },
  ]);
  for (let time = 0; time < 3; time++) await looks([entry({ vulnerabilities: own })], now);
  assert.equal(read, 1);
});
