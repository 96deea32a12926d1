import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuiltEntry } from '../evidence/snapshot.ts';
import { digestOf } from '../kernel/digest.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import { parsePolicySet } from '../policy/evidence-policy.ts';
import { inOrder, isDue, lookAgeMs, newestOfEachName } from './looks-due.ts';

const day = 86_400_000;
const now = new Date('2026-11-28T12:00:00.000Z');
const ago = (ms: number) => new Date(now.getTime() - ms).toISOString();
const image = (name: string, at: string | undefined, run = 1): BuiltEntry => ({
  digest: digestOf(`${name} ${run}`),
  repository: `shop/${name}`,
  source: { repository: 'shop', commit: 'a'.repeat(40) as GitOid, tree: 'b'.repeat(40) as GitOid },
  tests: [],
  provenance: true,
  scans: { sbom: true, ...(at === undefined ? {} : { vulnerabilities: { at } }) },
  run,
  validUntil: '2027-01-01T00:00:00.000Z',
});

const requiring = (vulnerabilities: unknown) => ({ review: {}, tests: [], provenance: true, scans: { vulnerabilities } });
const policies = (general: unknown, production: unknown) =>
  parsePolicySet(
    {
      default: { registry: ['r.example'], mode: 'enforce', require: requiring(general) },
      namespaces: { production: { registry: ['r.example'], mode: 'enforce', require: requiring(production) } },
    },
    { ownNamespace: 'waybill' },
  );

for (const [name, general, production, expected] of [
  ['three days, where no policy asks', true, false, 3 * day],
  ['three days, where policies ask for more than six', { days: 30 }, { below: 'high' }, 3 * day],
  ['half of what the strictest asks', { days: 4 }, { days: 1 }, day / 2],
] as const)
  test(`a look becomes at most so old: ${name}`, () => assert.equal(lookAgeMs(policies(general, production)), expected));

const web = (at: string | undefined) => image('web', at);
for (const [name, entry, changed, expected] of [
  ['a young look', web(ago(day - 1)), undefined, false],
  ['one of that age', web(ago(day)), undefined, true],
  ['a young one from before the last change', web(ago(day / 2)), ago(day / 4), true],
  ['a young one since the last change', web(ago(day / 4)), ago(day / 2), false],
  ['one of the future', web(ago(-day)), undefined, true],
  ['one of a clock that is a minute ahead', web(ago(-60_000)), undefined, false],
  ['one without a date', web('lately'), undefined, true],
  ['no look at all, because it was built before there were any', web(undefined), ago(1), false],
] as const)
  test(`due or not: ${name}`, () => {
    const changes = new Map<string, string>(changed === undefined ? [] : [[entry.digest, changed]]);
    assert.equal(isDue(entry, { now, ageMs: day, changes }), expected);
  });

test('what runs comes first, then the newest of each name, then the oldest look; what failed last', () => {
  const old = image('web', ago(3 * day), 1);
  const running = image('web', ago(2 * day), 2);
  const newest = image('web', ago(day), 3);
  const failed = image('api', ago(9 * day), 4);
  const other = image('web', ago(4 * day), 0);
  const all = [newest, old, failed, running, other];
  assert.deepEqual(newestOfEachName(all), new Set([newest.digest, failed.digest]));
  const order = inOrder(all, {
    inUse: new Set([running.digest as string]),
    newest: newestOfEachName(all),
    failed: new Set([failed.digest as string]),
  });
  assert.deepEqual(
    order.map(({ run }) => run),
    [2, 3, 0, 1, 4],
  );
});
