import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGitOid } from '../kernel/git-oid.ts';
import type { RepositoryName } from '../kernel/ids.ts';
import { withLevelsBefore } from './levels-before.ts';
import { planCommit } from './plan-commit.ts';
import type { Plan } from '../plan/plan.ts';
import type { World } from './world.ts';

const repository = 'shop' as RepositoryName;
const [onto, merged] = [parseGitOid('a'.repeat(40)), parseGitOid('b'.repeat(40))];

const file = (levels: Readonly<Record<string, string>>, scan = '') => `version: 1
stages: [{ name: a, on: [change], steps: [{ run: a }] }]
images: [{ name: web, layers: [{ from: a, to: /a }] }]
${scan}
${Object.keys(levels).length > 0 ? 'deploy:' : ''}
${Object.entries(levels)
  .map(
    ([environment, level]) =>
      `  - { environment: ${environment}, manifests: k8s, images: { web: web }${level === '' ? '' : `, scan: { fail: ${level} }`} }`,
  )
  .join('\n')}
`;

/** The plan of what is merged. */
async function planned(before: string | undefined, after: string): Promise<Plan> {
  const texts = new Map([
    [onto, before],
    [merged, after],
  ]);
  const world = {
    source: {
      readFile: async (_repository: string, commit: typeof onto) => {
        const text = texts.get(commit);
        return text === undefined ? undefined : Buffer.from(text);
      },
    },
  } as unknown as World;
  const own = await planCommit(world, repository, merged, 'merge');
  assert.ok(own.ok, own.ok ? '' : own.why);
  return await withLevelsBefore(world, { repository, onto }, own.plan);
}

/** Levels of each deploy of it. */
const levels = async (before: string | undefined, after: string): Promise<object> =>
  Object.fromEntries((await planned(before, after)).deploys.map(({ environment, fail }) => [environment, fail]));

for (const [what, before, after, wanted] of [
  ['no level on either side', { a: '' }, { a: '' }, { a: undefined }],
  ['the same level', { a: 'new' }, { a: 'new' }, { a: ['new'] }],
  ['a level that is set', { a: '' }, { a: 'new' }, { a: ['new'] }],
  ['a level that is taken away', { a: 'new-high' }, { a: '' }, { a: ['new-high'] }],
  ['a level that is relaxed to a report', { a: 'new-high' }, { a: 'report' }, { a: ['new-high'] }],
  ['a level that becomes another', { a: 'new' }, { a: 'critical' }, { a: ['critical', 'new'] }],
  ['levels of other environments', { a: 'new', b: 'any' }, { b: 'high', c: '' }, { b: ['high', 'any'], c: undefined }],
] as const)
  test(`${what}: a deploy is held to that of the branch before, too`, async () =>
    assert.deepEqual(await levels(file(before), file(after)), wanted));

test('without a pipeline file before, or with one that nobody can read, the merged one counts alone', async () => {
  assert.deepEqual(await levels(undefined, file({ a: 'new' })), { a: ['new'] });
  assert.deepEqual(await levels('version: 2', file({ a: 'new' })), { a: ['new'] });
});

for (const [what, before, after, wanted] of [
  ['the default', '', 'scan: { image: { fail: report } }', { secrets: 'new', dependencies: 'new', image: 'new' }],
  ['a level of the image', 'scan: { image: { fail: high } }', '', { secrets: 'new', dependencies: 'new', image: 'high' }],
  ['one of the source', 'scan: { secrets: { fail: any } }', '', { secrets: 'any', dependencies: 'new', image: 'new' }],
] as const)
  test(`scans of a merged commit are held to what was before it: ${what}`, async () =>
    assert.deepEqual((await planned(file({}, before), file({}, after))).scansBefore, wanted));

test('nothing was before: no pipeline file, or one that nobody can read', async () => {
  assert.equal((await planned(undefined, file({}))).scansBefore, undefined);
  assert.equal((await planned('version: 2', file({}))).scansBefore, undefined);
});
