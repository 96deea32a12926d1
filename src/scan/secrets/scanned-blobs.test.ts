import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { builtInRuleSet } from './repository-rules.ts';
import { ScannedBlobs } from './scanned-blobs.ts';

const rules = builtInRuleSet();
const blob = (digit: string): string => digit.repeat(40);

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-blobs-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('what was clean is known the next time, and what was added since too', () =>
  inFolder(async (folder) => {
    const first = await ScannedBlobs.open(folder, rules, 40);
    for (const digit of ['c', '1', 'a']) first.add(blob(digit));
    await first.save();
    const second = await ScannedBlobs.open(folder, rules, 40);
    assert.deepEqual(
      ['1', 'a', 'c', 'b', '0', 'f'].map((digit) => second.has(blob(digit))),
      [true, true, true, false, false, false],
    );
    second.add(blob('b'));
    await second.save();
    const third = await ScannedBlobs.open(folder, rules, 40);
    assert.ok(['1', 'a', 'b', 'c'].every((digit) => third.has(blob(digit))));
    // Other rules know nothing of it.
    assert.equal(
      (await ScannedBlobs.open(folder, { ...rules, digest: `sha256:${'0'.repeat(64)}` as typeof rules.digest }, 40)).has(blob('a')),
      false,
    );
  }));

test('a file that was damaged is as good as none', () =>
  inFolder(async (folder) => {
    const blobs = await ScannedBlobs.open(folder, rules, 40);
    for (const digit of ['1', '2', '3']) blobs.add(blob(digit));
    await blobs.save();
    const [name = ''] = await readdir(folder);
    const file = path.join(folder, name);
    const whole = await readFile(file);
    const swapped = Buffer.concat([whole.subarray(0, -40), whole.subarray(-20), whole.subarray(-40, -20)]);
    for (const damaged of [whole.subarray(0, -1), swapped, Buffer.from('something else'), Buffer.alloc(0)]) {
      await writeFile(file, damaged);
      assert.equal((await ScannedBlobs.open(folder, rules, 40)).has(blob('1')), false);
    }
  }));
