import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../kernel/digest.ts';
import type { RescanFacts } from '../facts.ts';
import { now, rescan } from '../testing/shop.ts';
import { requireRescan } from './require-rescan.ts';

const database = { ecosystem: 'npm', advisories: 5, digest: digestOf('x'), updatedAt: '2026-11-22T00:00:00Z' };

for (const [name, more] of [
  ['that found what fails', {}],
  ['after one that was dated by a clock of next year', { before: ['2027-11-22T10:00:00.000Z'] }],
  ['at an image that needs no advisories', { databases: [] }],
] as const satisfies readonly (readonly [string, Partial<RescanFacts>])[])
  test(`a later look ${name} is signed`, () => requireRescan(rescan(more), 12, now));

for (const [name, more, why] of [
  ['of another run', { run: 13 }, /another run/],
  ['that ended before it began', { finishedAt: '2026-11-22T10:59:00.000Z' }, /is said to be of/],
  ['that the journal was told of before it ended', { toldAt: '2026-11-22T10:00:00.000Z' }, /is said to be of/],
  [
    'of tomorrow',
    { startedAt: '2026-11-23T11:00:00Z', finishedAt: '2026-11-23T11:00:00Z', toldAt: '2026-11-23T11:00:00Z' },
    /is said to be of/,
  ],
  ['without a date', { startedAt: '' }, /is said to be of/],
  ['from before the one before it', { before: ['2026-11-22T11:30:00.000Z'] }, /the clock went backwards/],
  ['without advisories', { databases: [{ ...database, advisories: 0 }] }, /no advisories for npm/],
  ['in advisories that were too old', { databases: [{ ...database, updatedAt: '2026-11-15T10:00:00Z' }] }, /advisories of 2026-11-15/],
  ['in advisories without a date', { databases: [{ ...database, updatedAt: 'lately' }] }, /advisories of lately/],
] as const satisfies readonly (readonly [string, Partial<RescanFacts>, RegExp])[])
  test(`a later look ${name} is not signed`, () => {
    assert.throws(() => requireRescan(rescan(more), 12, now), { code: 'VERDICT_REFUSED', message: why });
  });
