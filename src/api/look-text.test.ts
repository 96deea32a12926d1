import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { lookCell, lookLines } from './look-text.ts';
import type { ImportLookView } from './import-views.ts';

const at = '2026-11-22T10:04:05.000Z';
const none = { critical: 0, high: 0, medium: 0, low: 0, unknown: 0, credentials: 0, habits: 0, gaps: 0 };
const done = {
  state: 'done',
  at,
  record: 'r',
  found: { ...none, critical: 2, unknown: 1, credentials: 1, gaps: 3 },
  components: 40,
  image: { platforms: ['linux/amd64', 'linux/arm64'], systems: ['debian 12'], bytes: 12_345_678, root: true },
} as const;

suite('what was found in an import, in words', () => {
  for (const [look, cell, lines] of [
    [{ state: 'waiting' }, /^not looked at yet$/, /^Nobody has looked into it yet/],
    [
      { state: 'failed', at, why: 'the registry does not answer' },
      /^could not look$/,
      /^Nobody could look into it: the registry does not answer \(2026-11-22 10:04\)\.$/,
    ],
    [
      done,
      /^2 critical, 1 of unknown severity; 1 credential; 3 parts not looked at$/,
      /^Looked into on 2026-11-22 10:04: 2 critical.*; 40 components\.\nThere is no earlier import of that name to compare it with\.\ndebian 12, for linux\/amd64, linux\/arm64; 12\.3 MB; runs as root\.$/,
    ],
    [
      {
        ...done,
        found: none,
        against: { import: 4, digest: `sha256:${'a'.repeat(64)}`, fresh: { ...none, high: 1 }, gone: 7 },
        image: { ...done.image, systems: [], root: false },
      },
      /^no vulnerability; new: 1 high$/,
      /Against import 4 \(sha256:aaaaaaaaaaaa\), new: 1 high; gone: 7\.\nNo system that names itself, .*; does not run as root\.$/,
    ],
  ] as readonly (readonly [ImportLookView, RegExp, RegExp])[])
    test(String(cell), () => {
      assert.match(lookCell(look), cell);
      assert.match(lookLines(look).join('\n'), lines);
    });
});
