import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain } from './terminal.ts';

test('text of other people cannot move the cursor, colour, turn the direction, or begin a line of its own', () => {
  const cases: [string, string][] = [
    ['a\ttab and ünïcode ✔', 'a\ttab and ünïcode ✔'],
    ['\u001b[31mred\u001b[0m', 'red'],
    ['\u001b]0;title\u0007x', 'x'],
    ['passed\rfailed', 'passed\uFFFDfailed'],
    ['\u009b2Jx', 'x'],
    ['\u202etxt.exe', '\uFFFDtxt.exe'],
    ['no\n✔ run passed', 'no\n      ✔ run passed'],
  ];
  for (const [given, shown] of cases) assert.equal(plain(given), shown);
});
