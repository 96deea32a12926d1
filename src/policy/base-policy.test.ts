import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BaseFacts } from '../evidence/base-facts.ts';
import { refuseBase, type BaseRule, type JudgedBase } from './base-policy.ts';

const at = new Date('2026-11-25T12:00:00Z');
const built: BaseFacts = { repository: 'bases/node', from: 'build', signedAt: '2026-11-20T12:00:00Z' };
const imported: BaseFacts = {
  repository: 'import/docker.io/library/node',
  from: 'import',
  upstream: 'docker.io/library/node:24',
  signedAt: '2026-11-20T12:00:00Z',
};
/** Named as if it came from Docker Hub. */
const disguised: BaseFacts = { ...imported, upstream: 'evil.example:5000/library/node:24' };
const base = (paper: BaseFacts, more: Partial<JudgedBase> = {}): JudgedBase => ({
  reference: 'registry.test/x',
  pinned: true,
  papers: [paper],
  ...more,
});

for (const [name, allow, judged, expected] of [
  ['a rule without conditions allows what has papers', [{}], base(built), undefined],
  ['nothing is allowed by an empty list', [], base(built), /none of the 0 kinds/],
  ['a base without papers', [{}], base(built, { papers: [] }), /has no papers/],
  ['the pattern of the repository', [{ repository: 'bases/*' }], base(built), undefined],
  ['another repository', [{ repository: 'bases/*' }], base(imported), /none of the 1 kinds/],
  ['the upstream of an import', [{ upstream: 'docker.io/library/*' }], base(imported), undefined],
  ['an upstream that only the name pretends', [{ upstream: 'docker.io/library/*' }], base(disguised), /none of/],
  ['an upstream is asked of what was built here', [{ upstream: '**' }], base(built), /none of/],
  ['an import where a build is asked for', [{ from: 'build' }], base(imported), /must be built here/],
  ['a build where an import is asked for', [{ from: 'import' }], base(built), /must be an import/],
  ['a tag where a digest is asked for', [{ pinned: true }], base(built, { pinned: false }), /named by its digest/],
  ['young enough', [{ maxAgeDays: 5 }], base(built), undefined],
  ['too old', [{ maxAgeDays: 4 }], base(built), /built on 2026-11-20, and may be 4 days old/],
  ['a date that is none', [{ maxAgeDays: 4 }], base({ ...built, signedAt: 'yesterday' }), /may be 4 days old/],
  ['a second rule', [{ from: 'import' }, { repository: 'bases/node' }], base(built), undefined],
  [
    'the second paper is young enough',
    [{ maxAgeDays: 1 }],
    base(built, { papers: [built, { ...built, signedAt: at.toISOString() }] }),
    undefined,
  ],
] as const satisfies readonly (readonly [string, readonly BaseRule[], JudgedBase, RegExp | undefined])[])
  test(`bases: ${name}`, () => {
    const why = refuseBase({ allow }, judged, at);
    if (expected === undefined) assert.equal(why, undefined);
    else assert.match(why ?? 'allowed', expected);
  });

test('without a policy every base is allowed', () => {
  assert.equal(refuseBase(undefined, base(built, { papers: [] }), at), undefined);
});
