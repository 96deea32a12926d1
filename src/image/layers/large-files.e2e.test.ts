import { execFileSync, spawnSync } from 'node:child_process';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { buildImage } from './build-image.ts';
import { blobPath, contextOf, planned, temporaryFolder } from './test-build.ts';

const gibibyte = 2 ** 30;

const missing = spawnSync('zstd', ['--version']).error !== undefined;
if (missing) console.log('SKIPPED: a sparse file of 9 GiB goes through whole, as tar reads it: zstd is not installed');

test('a sparse file of 9 GiB goes through whole, as tar reads it, in little memory', { skip: missing }, async () => {
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
  // Fails unless what tar unpacks is the file, to the last byte.
  const blob = blobPath(image.layout, layer.digest);
  execFileSync('bash', ['-o', 'pipefail', '-c', 'zstd -dc < "$1" | tar -xOf - large | cmp - "$2"', 'bash', blob, path], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 300_000,
  });
});
