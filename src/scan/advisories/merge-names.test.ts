import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Advisory } from './advisory.ts';
import { mergeNames } from './merge-names.ts';

const hit = (id: string, aliases: readonly string[] = [], upstream: readonly string[] = []) => ({
  advisory: { id, aliases, upstream, title: '', vectors: [] } satisfies Advisory,
});
const told = (...hits: ReturnType<typeof hit>[]) =>
  mergeNames(hits)
    .map(({ id, aliases, hits: members }) => `${id} = ${aliases.join(' ')} (${members.length})`)
    .sort();

suite('one vulnerability under several names', () => {
  test('is told once, with the CVE as its id', () => {
    assert.deepEqual(told(hit('GHSA-1', ['CVE-2021-1']), hit('PYSEC-1', ['CVE-2021-1', 'GHSA-1'])), ['CVE-2021-1 = GHSA-1 PYSEC-1 (2)']);
  });
  test('also when only a third name joins two of them, and whatever their order', () => {
    const three = [hit('A-1', ['B-1']), hit('C-1', ['D-1']), hit('E-1', ['B-1', 'D-1'])];
    for (const order of [three, three.toReversed(), [three[2], three[0], three[1]]])
      assert.deepEqual(told(...order.filter((one) => one !== undefined)), ['A-1 = B-1 C-1 D-1 E-1 (3)']);
  });
  test('has the best-known name of those that there are', () => {
    assert.deepEqual(told(hit('RUSTSEC-1', ['GHSA-2'])), ['GHSA-2 = RUSTSEC-1 (1)']);
    assert.deepEqual(told(hit('X-1', ['CVE-2021-1000', 'CVE-2021-999'])), ['CVE-2021-999 = CVE-2021-1000 X-1 (1)']);
    assert.deepEqual(told(hit('MAL-2026-1', ['GHSA-9'])), ['MAL-2026-1 = GHSA-9 (1)']);
  });
  test('an advisory that passes on one is that one', () => {
    assert.deepEqual(told(hit('DEBIAN-CVE-2024-1', [], ['CVE-2024-1']), hit('GHSA-1', ['CVE-2024-1'])), [
      'CVE-2024-1 = GHSA-1 DEBIAN-CVE-2024-1 (2)',
    ]);
  });
  test('a notice about several is told for each of them, and does not make them one', () => {
    assert.deepEqual(told(hit('RHSA-2024:1', [], ['CVE-2024-1', 'CVE-2024-2']), hit('GHSA-1', ['CVE-2024-2'])), [
      'CVE-2024-1 = RHSA-2024:1 (1)',
      'CVE-2024-2 = GHSA-1 RHSA-2024:1 (2)',
    ]);
  });
  test('a long chain of names is no problem', () => {
    const chain = Array.from({ length: 20_000 }, (_, at) => hit(`A-${at}`, [`A-${at + 1}`]));
    assert.equal(mergeNames(chain).length, 1);
    assert.equal(mergeNames(chain.toReversed()).length, 1);
  });
});
