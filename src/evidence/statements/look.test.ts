import assert from 'node:assert/strict';
import { test } from 'node:test';
import { names, rescan, scan } from '../testing/shop.ts';
import { newestOf } from './look.ts';
import { vulnerabilitiesStatement, type Vulnerabilities } from './vulnerabilities.ts';

const said = (facts: Parameters<typeof vulnerabilitiesStatement>[0]): Vulnerabilities => vulnerabilitiesStatement(facts, names).predicate;
const ofTheRun = [said(scan('dependencies')), said(scan('image', { finishedAt: '2026-11-22T10:30:00.000Z' }))];
const bad = said(rescan());
const good = said(rescan({ startedAt: '2026-11-22T10:45:00.000Z', findings: [] }));

for (const [name, papers, at, worst] of [
  ['the two of the run count together: as old as the older, as bad as the worse', ofTheRun, '2026-11-22T10:06:01.000Z', 'medium'],
  ['a later one stands alone', [...ofTheRun, good], '2026-11-22T10:45:00.000Z', undefined],
  ['of later ones the newest, listed last', [...ofTheRun, good, bad], '2026-11-22T11:00:00.000Z', 'critical'],
  ['or listed first', [bad, good, ...ofTheRun], '2026-11-22T11:00:00.000Z', 'critical'],
  ['also without those of the run', [bad, good], '2026-11-22T11:00:00.000Z', 'critical'],
] as const)
  test(`the newest look: ${name}`, () => {
    const look = newestOf(papers);
    assert.deepEqual([look.at, look.worst], [at, worst]);
  });

test('without a look there is no newest', () => {
  assert.throws(() => newestOf([]), RangeError);
});
