import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { PersonId, RepositoryName } from '../kernel/ids.ts';
import { decide } from './decide.ts';
import type { RecordedEvent, RunEvent } from './event.ts';
import { stateOf } from './machine.ts';

const digest = digestOf('image');
const scanned = { passed: true, level: 'new', found: { failing: 0, new: 0, known: 0, waived: 0 } } as const;
const begun: RunEvent[] = [
  {
    type: 'run-created',
    repository: 'shop' as RepositoryName,
    event: 'merge',
    commit: 'a'.repeat(40) as GitOid,
    tree: 'b'.repeat(40) as GitOid,
    reviewed: true,
    plan: { event: 'merge', stages: [], images: [{ name: 'web' }], deploys: [] } as never,
    notes: [],
    requestedBy: 'dana' as PersonId,
  },
  { type: 'image-started', image: 'web' },
  { type: 'image-built', image: 'web', digest, layers: [], compressor: 'zstd', sandboxed: true },
];
const looked: RunEvent = { type: 'image-scanned', image: 'web', digest, sbom: digestOf('sbom'), record: digestOf('first'), ...scanned };
const pushed: RunEvent = { type: 'image-pushed', image: 'web', repository: 'shop/web', digest, tag: 'r1' };
const ended: RunEvent[] = [{ type: 'image-finished', image: 'web', outcome: 'passed' }, { type: 'run-finished' }];
const again = (record: string, more: object = {}): RunEvent => ({
  type: 'image-rescanned',
  image: 'web',
  digest,
  record: digestOf(record),
  ...scanned,
  passed: false,
  ...more,
});
const signed = (record: string): RunEvent => ({
  type: 'paper-signed',
  subject: digest,
  predicateType: 'vulns',
  ledgerIndex: 9,
  record: digestOf(record),
});
const at = (nth: number) => new Date(Date.UTC(2026, 0, 1 + nth)).toISOString();
const fold = (...events: readonly RunEvent[]) => stateOf(events.map((event, nth): RecordedEvent => ({ seq: nth + 1, at: at(nth), event })));
const whole = [...begun, looked, pushed, ...ended];

test('an image is looked at again after the end; the run stays what it came to, and nothing of it begins anew', () => {
  const before = fold(...whole);
  const after = fold(...whole, again('second'), signed('second'), again('third'));
  assert.equal(after.status, 'passed');
  assert.equal(after.finishedAt, before.finishedAt);
  assert.deepEqual(decide(after), []);
  const [image] = after.images;
  assert.deepEqual(image?.scanned, before.images[0]?.scanned);
  assert.deepEqual([image?.rescanned?.record, image?.rescanned?.signed, image?.rescanned?.at], [digestOf('third'), false, at(9)]);
});

test('a look has its paper when that was told, and a paper of another look says nothing about it', () => {
  assert.equal(fold(...whole, again('second'), signed('second')).images[0]?.rescanned?.signed, true);
  assert.equal(fold(...whole, again('second'), signed('first')).images[0]?.rescanned?.signed, false);
  const { record: _, ...ofTheRun } = signed('second') as Extract<RunEvent, { type: 'paper-signed' }>;
  assert.equal(fold(...whole, again('second'), ofTheRun).images[0]?.rescanned?.signed, false);
});

for (const [name, events] of [
  ['that is still being built', [...begun, looked, pushed, again('second')]],
  ['that was never scanned', [...begun, pushed, ...ended, again('second')]],
  ['that was pushed nowhere', [...begun, looked, ...ended, again('second')]],
  ['of another digest', [...whole, again('second', { digest: digestOf('other') })]],
  ['of another name', [...whole, again('second', { image: 'api' })]],
] as const)
  test(`no later look at an image ${name}`, () => {
    assert.throws(() => fold(...events), { code: 'INTERNAL' });
  });

test('nothing else is told after the end', () => {
  assert.throws(() => fold(...whole, looked), /image-scanned after the run has passed/);
});
