import assert from 'node:assert/strict';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { sendFile } from './send-file.ts';

test('a client that leaves while the next piece is being read is an error of this one answer, not of the process', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-send-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(path.join(folder, 'blob'), Buffer.alloc(400_000));
  await using file = await open(path.join(folder, 'blob'));
  const slowDisk: Pick<typeof file, 'read'> = {
    read: (async (buffer: Buffer, offset: number, length: number, position: number) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return await file.read(buffer, offset, length, position);
    }) as typeof file.read,
  };
  const gone = new Writable({ write: (_chunk, _encoding, done) => void setImmediate(done, new Error('EPIPE')) });
  gone.on('error', () => undefined);
  const unhandled: unknown[] = [];
  const listen = (error: unknown) => void unhandled.push(error);
  process.on('unhandledRejection', listen);
  t.after(() => process.off('unhandledRejection', listen));
  const sending = sendFile(slowDisk, gone, { start: 0, length: 400_000, bufferBytes: 200_000, signal: AbortSignal.timeout(10_000) });
  await assert.rejects(sending, /EPIPE|went away/);
  assert.deepEqual(unhandled, []);
});
