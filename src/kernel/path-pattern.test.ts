import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPathPattern, matchesPath } from './path-pattern.ts';

for (const [pattern, name, expected] of [
  ['docker.io/library/*', 'docker.io/library/node', true],
  ['docker.io/library/*', 'docker.io/library/node/slim', false],
  ['docker.io/library/*', 'dockerxio/library/node', false],
  ['docker.io/library/*', 'evil.example/docker.io/library/node', false],
  ['bases/**', 'bases/a/b', true],
  ['bases/**', 'bases', false],
  ['**', 'anything/at/all', true],
  ['registry.example:5000/team/n*e', 'registry.example:5000/team/node', true],
  ['node', 'node\n', false],
  ['no(de', 'no(de', false],
] as const)
  test(`${pattern} ${expected ? 'covers' : 'does not cover'} ${JSON.stringify(name)}`, () => {
    assert.equal(matchesPath(pattern, name), expected);
  });

test('a pattern with too many wildcards, or none that a name can have, is none', () => {
  for (const text of ['', '***', '*a*a*a*a*a*a*a', '/a', 'A/b', 'a b', 'a'.repeat(300)]) assert.equal(isPathPattern(text), false, text);
});
