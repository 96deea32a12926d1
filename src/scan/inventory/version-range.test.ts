import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseRange, type Held } from './version-range.ts';

const held: readonly (readonly [ecosystem: string, range: string, version: string, expected: Held])[] = [
  ['npm', '<4.17.21', '4.17.20', 'inside'],
  ['npm', '<4.17.21', '4.17.21', 'outside'],
  ['npm', '<4.17.21', '4.17.21-rc.1', 'inside'],
  ['npm', '4.17.20', '4.17.20', 'inside'],
  ['npm', '4.17.20', '4.17.2', 'outside'],
  ['npm', '=v1.0.0', '1.0.0', 'inside'],
  ['npm', '^1.2', '1.9.0', 'inside'],
  ['npm', '^1.2', '2.0.0', 'outside'],
  ['npm', '~1.2.3 || >=3', '3.1.0', 'inside'],
  ['npm', '1.x', '1.5.0', 'inside'],
  ['npm', '1.0.0 - 2.0.0', '1.5.0', 'inside'],
  ['npm', '>= 1, < 2', '1.0.0', 'inside'],
  ['npm', '!=1.0.0', '1.0.0', 'outside'],
  ['npm', '<2', 'git+https://x', 'unknown'],
  ['npm', 'git+https://x', 'git+https://x', 'inside'],
  ['Go', '<v1.2.0', 'v1.1.0', 'inside'],
  ['Go', '^1.21', 'go1.21.5', 'inside'],
  ['PyPI', '>=4,<4.2.1', '4.2', 'inside'],
  ['PyPI', '>=4,<4.2.1', '4.2.1', 'outside'],
  ['PyPI', '<4.2.1', '4.2.1rc1', 'inside'],
  ['PyPI', '4.0', '4.0.0', 'inside'],
  ['Debian:12', '<3.0.11-1~deb12u2', '3.0.11-1~deb12u1', 'inside'],
  ['Debian:12', '<3.0.11-1~deb12u2', '1:3.0', 'outside'],
  ['Maven', '<2.17.0', '2.15.0', 'inside'],
  ['Maven', '<2.0', '2.0-beta9', 'inside'],
];

const refused: readonly (readonly [ecosystem: string, range: string])[] = [
  ['npm', '<'],
  ['npm', '<<1'],
  ['npm', '||'],
  ['npm', '^'.repeat(300)],
  ['npm', '<not-a-version!'],
  ['npm', Array.from({ length: 30 }, () => '1.0.0').join('||')],
  ['npm', Array.from({ length: 50 }, () => '>1.0.0').join(' ')],
  ['PyPI', '~=4.2'],
  ['PyPI', '<^4'],
  ['teapot', '<1'],
];

suite('ranges of versions', () => {
  for (const [ecosystem, range, version, expected] of held)
    test(`${ecosystem} ${range}: ${version} is ${expected}`, () => assert.equal(parseRange(range, ecosystem)(version), expected));
  for (const [ecosystem, range] of refused)
    test(`${ecosystem} ${range.slice(0, 20)} is refused`, () =>
      assert.throws(() => parseRange(range, ecosystem), { code: 'INVALID_INPUT' }));
});
