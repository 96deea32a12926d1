import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { WaybillError } from '../../kernel/error.ts';
import { flush, PktReader, pktLine } from './pkt-line.ts';

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('what is written is read, however the bytes arrive', async () => {
  const line = fc.string({ unit: 'binary', maxLength: 50 }).filter((text) => !text.endsWith('\n'));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(line, { maxLength: 5 }), { maxLength: 4 }), fc.integer({ min: 1, max: 20 }), async (lists, size) => {
      const bytes = Buffer.from(lists.map((lines) => lines.map(pktLine).join('') + flush).join(''));
      const reader = new PktReader(chunksOf(bytes, size), 10_000);
      for (const lines of lists) assert.deepEqual(await reader.list(), lines);
    }),
  );
});

for (const [what, bytes] of [
  ['no length', 'zzzz'],
  ['a length below four', '0003'],
  ['a delimiter', '0001'],
  ['an end within a line', '0009ab'],
  ['an end without a flush', '0006ab'],
  ['nothing', ''],
  ['more than the limit', `${'0064'}${'x'.repeat(96)}`.repeat(3)],
] as const)
  test(`${what} is an error`, async () => {
    await assert.rejects(new PktReader(chunksOf(Buffer.from(bytes), 7), 250).list(), (error) => error instanceof WaybillError);
  });
