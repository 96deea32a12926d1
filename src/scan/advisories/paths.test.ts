import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { pathFinder } from './paths.ts';

const find = (needs: Record<string, readonly string[]>, purl: string) =>
  pathFinder({ needs: new Map(Object.entries(needs)) })(purl).map((path) => path.join(' > '));

suite('how a component came in', () => {
  test('the shortest way first, from each project', () => {
    const needs = { './': ['a', 'b'], './web': ['c'], a: ['x'], b: ['a', 'c'], c: ['x'] };
    assert.deepEqual(find(needs, 'x').slice(0, 2), ['./ > a > x', './web > c > x']);
    assert.deepEqual(find(needs, 'x').slice(2).sort(), ['./ > b > a > x', './ > b > c > x']);
    assert.deepEqual(find(needs, 'a'), ['./ > a', './ > b > a']);
  });
  test('without projects, from what nothing else needs', () => {
    assert.deepEqual(find({ a: ['b'], b: ['c'] }, 'c'), ['a > b > c']);
    assert.deepEqual(find({ a: ['b'] }, 'a'), ['a']);
  });
  test('nothing is known of what nobody names, or of rings that nothing leads into', () => {
    assert.deepEqual(find({ './': ['a'] }, 'z'), []);
    assert.deepEqual(find({ './': ['a'], p: ['q'], q: ['p'] }, 'q'), []);
  });
  test('rings and needs of itself end', () => {
    assert.deepEqual(find({ './': ['a'], a: ['b', 'a'], b: ['c', 'a'], c: ['a', 'x', './'] }, 'x'), ['./ > a > b > c > x']);
  });
  test('at most five', () => {
    const needs = {
      './': ['1', '2', '3', '4', '5', '6', '7'],
      ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((n) => [String(n), ['x']])),
    };
    assert.equal(find(needs, 'x').length, 5);
  });
  test('a graph in which everything needs everything, and a chain of 100,000', () => {
    const names = Array.from({ length: 320 }, (_, at) => `n${at}`);
    const all = new Map<string, readonly string[]>([['./', ['n0']], ...names.map((name): [string, string[]] => [name, names])]);
    const search = pathFinder({ needs: all });
    for (const name of names) assert.equal(search(name)[0]?.at(-1), name);
    assert.deepEqual(search('n5')[0], ['./', 'n0', 'n5']);
    assert.equal(search('n5').length, 5);
    const chain = new Map<string, readonly string[]>([['./', ['c0']]]);
    for (let at = 0; at < 2_000; at++) chain.set(`c${at}`, [`c${at + 1}`]);
    assert.equal(pathFinder({ needs: chain })('c80')[0]?.length, 82);
    const [cut] = pathFinder({ needs: chain })('c2000');
    assert.deepEqual([cut?.[0], cut?.at(-1), cut?.length], ['…', 'c2000', 101]);
    const ladder = new Map<string, readonly string[]>([['./', ['l0', 'r0']]]);
    for (let at = 0; at < 25_000; at++) for (const side of ['l', 'r']) ladder.set(`${side}${at}`, [`l${at + 1}`, `r${at + 1}`]);
    assert.ok(pathFinder({ needs: ladder })('l60').length > 0);
  });
});
