import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execa } from 'execa';
import { parse } from 'yaml';
import { readFile } from 'node:fs/promises';
import { buildImage } from './build-image.ts';
import type { PlannedImage } from '../../plan/plan.ts';
import { contextOf, planned, temporaryFolder } from './test-build.ts';

const shop = join(import.meta.dirname, '../../../examples/shop');

async function missing(...programs: readonly string[]): Promise<string | undefined> {
  for (const program of programs) {
    const { failed } = await execa(program, ['--version'], { reject: false, timeout: 10_000 });
    if (failed) return program;
  }
  return undefined;
}

test('the shop becomes an image that runs as nobody on a read-only root and says its commit', async (t) => {
  const absent = await missing('podman', 'skopeo', 'npm', 'ldd');
  if (absent) {
    // oxlint-disable-next-line no-console -- a skipped test must be loud
    console.warn(`SKIPPED: ${absent} is missing, so the shop's image was not run`);
    return t.skip(`${absent} is missing`);
  }
  await using tree = await temporaryFolder();
  await using out = await temporaryFolder();
  const files = (await execa('git', ['ls-files', '-co', '--exclude-standard'], { cwd: shop, timeout: 10_000 })).stdout;
  await execa('tar', ['-C', tree.path, '-xf', '-'], {
    input: (await execa('tar', ['-C', shop, '-cf', '-', '-T', '-'], { input: files, encoding: 'buffer', timeout: 30_000 })).stdout,
    timeout: 30_000,
  });
  const file = parse(await readFile(join(shop, 'waybill.yaml'), 'utf8')) as { images: PlannedImage[] };
  const described = file.images[0];
  assert.ok(described);
  const plan = planned(described.layers, { config: described.config, timeoutMs: 120_000 });
  const layout = join(out.path, 'layout');
  const image = await buildImage(
    plan,
    contextOf(tree.path, layout, { signal: t.signal, onProgress: (event) => t.diagnostic(JSON.stringify(event)) }),
  );
  const again = await buildImage(plan, contextOf(tree.path, join(out.path, 'again'), { signal: t.signal }));
  assert.equal(again.digest, image.digest);

  const inspected = JSON.parse((await execa('skopeo', ['inspect', `oci:${layout}`], { timeout: 30_000 })).stdout) as {
    Digest: string;
    Layers: string[];
  };
  assert.equal(inspected.Digest, image.digest);
  assert.deepEqual(
    inspected.Layers,
    image.layers.map((layer) => layer.digest),
  );

  const conf = join(out.path, 'containers.conf');
  await writeFile(conf, '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1000:1000"]\n[engine]\nruntime="runc"\n');
  const podman = (...args: readonly string[]) =>
    execa('podman', ['--root', join(out.path, 'root'), '--runroot', join(out.path, 'run'), '--storage-driver', 'vfs', ...args], {
      env: { CONTAINERS_CONF: conf },
      timeout: 120_000,
    });
  const id = (await podman('pull', '-q', `oci:${layout}`)).stdout.trim();
  const container = (await podman('run', '-d', '--read-only', '--network', 'host', '--cap-drop', 'all', '-e', 'PORT=0', id)).stdout.trim();
  try {
    let line = '';
    for (let tries = 0; tries < 100 && !line.includes('port'); tries++) {
      await sleep(100);
      line = (await podman('logs', container)).stdout;
    }
    const { port } = JSON.parse(line) as { port: number };
    const reply = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(5_000) });
    assert.deepEqual(await reply.json(), { shop: 'open', commit: '1'.repeat(40) });
    const user = (await podman('inspect', '--format', '{{.Config.User}}', container)).stdout;
    assert.equal(user, '65532');
  } finally {
    await podman('rm', '-f', '-t', '2', container);
    await podman('rmi', '-f', id);
  }
});
