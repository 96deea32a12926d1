import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signStatement, type Paper } from '../bundle.ts';
import type { FoundFact, RescanFacts, ScanFacts } from '../facts.ts';
import type { Look } from '../statements/look.ts';
import { vulnerabilitiesStatement } from '../statements/vulnerabilities.ts';
import { image, names, newSigner, now, rescan, scan, source } from '../testing/shop.ts';
import { badSince, lookBefore } from './bad-since.ts';

type Severity = FoundFact['severity'];
const today = '2026-11-22T11:00:00.000Z';
const monday = '2026-11-16T11:00:00.000Z';
const found = (worst: Severity | undefined): RescanFacts =>
  rescan({
    startedAt: today,
    findings: worst ? [{ kind: 'vulnerability', id: 'CVE-1', severity: worst, isNew: true, fails: true }] : [],
  });
const look = (worst: Severity | undefined, since?: Look['since']): Look => ({
  at: monday,
  ...(worst ? { worst } : {}),
  ...(since ? { since } : {}),
});

for (const [what, before, worst, wanted] of [
  ['nothing is open', look('high'), undefined, {}],
  ['it was as bad when it was built', look('critical'), 'critical', {}],
  ['it was good when it was built', look(undefined), 'high', { low: today, medium: today, high: today }],
  ['it was less bad when it was built', look('medium'), 'critical', { high: today, critical: today }],
  ['it is as bad as in the look before', look('high', { high: monday }), 'high', { high: monday }],
  ['it is worse than in the look before', look('high', { high: monday }), 'critical', { high: monday, critical: today }],
  ['it is better than in the look before', look('critical', { high: monday, critical: monday }), 'high', { high: monday }],
  ['it was better in between', look('low', { low: monday }), 'high', { low: monday, medium: today, high: today }],
  ['an unknown severity is above all', look('critical'), 'unknown', { unknown: today }],
  ['no look before it is known', undefined, 'critical', {}],
] as const)
  test(`since when an image is bad: ${what}`, () => assert.deepEqual(badSince(before, found(worst)), wanted));

const { key, ring } = newSigner();
const stranger = newSigner().key;
const about = { repository: 'shop/shop', digest: image };
const paper = (facts: ScanFacts | RescanFacts, since: Look['since'] = {}, by = key): Paper =>
  signStatement(vulnerabilitiesStatement(facts, names, about, since), by);
const own = [paper(scan('dependencies')), paper(scan('image'))];
const before = (papers: readonly Paper[], of = source) =>
  lookBefore(
    ring,
    async () => papers.map(({ digest, bundle }) => ({ paper: digest, recordedAt: now.toISOString(), read: async () => bundle })),
    { image, source: of },
  );

test('the look before is the newest that was signed, and carries since when', async () => {
  const later = paper(found('critical'), { critical: monday });
  assert.deepEqual((await before([...own, later]))?.since, { critical: monday });
  assert.deepEqual((await before([later, ...own]))?.at, today);
  assert.equal((await before(own))?.since, undefined);
  assert.equal((await before(own))?.at, '2026-11-22T10:06:01.000Z');
});

test('a paper by a stranger, or of another source, is no look before', async () => {
  const lie = paper(found('critical'), { critical: monday }, { ...stranger, keyId: key.keyId });
  assert.equal((await before([lie, ...own]))?.since, undefined);
  assert.equal(await before([lie]), undefined);
  assert.equal(await before(own, { ...source, commit: '7'.repeat(40) as typeof source.commit }), undefined);
});
