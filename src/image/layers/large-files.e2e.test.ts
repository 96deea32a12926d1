import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { once } from 'node:events';
import { createZstdDecompress } from 'node:zlib';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { zstdFrames } from '../../oci/zstd-frames.ts';
import { buildImage } from './build-image.ts';
import { blobPath, contextOf, planned, temporaryFolder } from './test-build.ts';

const gibibyte = 2 ** 30;

test('a sparse file of 9 GiB goes through whole, as tar reads it, in little memory', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  const path = join(source.path, 'large');
  {
    await using file = await open(path, 'w');
    await file.write('start', 0);
    await file.write('middle', 8 * gibibyte - 3);
    await file.write('end', 9 * gibibyte - 3);
  }
  assert.ok((await stat(path)).blocks * 512 < 2 ** 20, 'this file system has no sparse files');
  const context = contextOf(source.path, out.path, {
    sandbox: async () => ({ folder: source.path, async [Symbol.asyncDispose]() {} }),
    signal: AbortSignal.timeout(300_000),
  });
  const image = await buildImage(planned([{ from: '.', to: '/', after: ['x'] }], { timeoutMs: 300_000 }), context);
  const peak = process.resourceUsage().maxRSS * 1024;
  assert.ok(peak < gibibyte / 2, `${peak} bytes of memory`);

  const [layer] = image.layers;
  assert.ok(layer);
  assert.ok(layer.size < 2 ** 21, `${layer.size} bytes of nothing`);
  const compare = spawn('sh', ['-c', 'tar -xOf - large | cmp - "$1"', 'sh', path], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = once(compare, 'exit');
  await pipeline(createReadStream(blobPath(image.layout, layer.digest)), zstdFrames, createZstdDecompress(), compare.stdin);
  assert.deepEqual(await ended, [0, null], 'what tar unpacks is not the file');
});
