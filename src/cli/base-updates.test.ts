import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import { ociIndex } from '../oci/media-types.ts';
import { startTestRegistry } from '../registry/registry.fixture.ts';
import { findBaseUpdates, writeBaseUpdates } from './base-updates.ts';
import type { CliContext } from './context.ts';

test('bases whose tag moved are found in the pipeline file and its Dockerfiles, and only their digests are written', async () => {
  await using registry = await startTestRegistry({ open: true, mutableTags: true, deletion: true });
  using client = connectRegistry({ registry: registry.host, plainHttp: true });
  const push = async (repository: string, n: number) =>
    (
      await client.putManifest(
        repository,
        Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [], annotations: { n: String(n) } })),
        ociIndex,
        { tag: '24' },
      )
    ).digest;
  const [old, same] = [await push('node', 1), await push('tools', 1)];
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-update-'));
  try {
    const node = `${registry.host}/node:24@${old}`;
    const pipeline = `version: 1 # kept\nimages:\n  - { name: a, base: "${node}", layers: [] }\n  - name: b\n    base: ${registry.host}/gone:1@${old}   # kept too\n  - name: c\n    dockerfile: { file: Dockerfile }\n  - name: d\n    base: ${registry.host}/node@${old}\n`;
    const dockerfile = `FROM ${registry.host}/tools:24@${same} AS tools\nFROM ${node}\nRUN echo ${node}\n`;
    await writeFile(path.join(folder, 'waybill.yaml'), pipeline);
    await writeFile(path.join(folder, 'Dockerfile'), dockerfile);
    const context = {
      cwd: folder,
      signal: AbortSignal.timeout(20_000),
      registryLogins: [] as readonly string[],
      credentials: () => Promise.reject(new WaybillError('UNAUTHENTICATED', 'nobody')),
    } as unknown as CliContext;

    assert.deepEqual((await findBaseUpdates(context)).moved, []);
    const fresh = await push('node', 2);
    const found = await findBaseUpdates(context);
    assert.deepEqual(
      found.moved.map(({ file, from, to }) => [file, from, to]),
      [
        ['waybill.yaml', old, fresh],
        ['Dockerfile', old, fresh],
      ],
    );
    assert.equal(found.current, 1);
    assert.match(found.unknown.join(), /^waybill\.yaml: \S+\/gone:1: the tag is not there any more$/);
    await writeBaseUpdates(folder, found.moved);
    const newer = `${registry.host}/node:24@${fresh}`;
    assert.equal(await readFile(path.join(folder, 'waybill.yaml'), 'utf8'), pipeline.replace(node, newer));
    assert.equal(await readFile(path.join(folder, 'Dockerfile'), 'utf8'), dockerfile.replaceAll(node, newer));
    assert.deepEqual((await findBaseUpdates(context)).moved, []);

    await writeFile(path.join(folder, 'waybill.yaml'), 'images: [');
    await assert.rejects(findBaseUpdates(context), (error) => isWaybillError(error, 'INVALID_INPUT'));
    await rm(path.join(folder, 'waybill.yaml'));
    await assert.rejects(findBaseUpdates(context), (error) => isWaybillError(error, 'NOT_FOUND'));
  } finally {
    await rm(folder, { recursive: true });
  }
});
