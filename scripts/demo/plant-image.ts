import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import { foldersOf } from '../../src/config/folders.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { digestOf } from '../../src/kernel/digest.ts';
import { silentLogger } from '../../src/kernel/logger.ts';
import { connectRegistry } from '../../src/oci/client.ts';
import { openRegistry } from '../../src/registry/registry.ts';
import { openStore } from '../../src/store/store.ts';
import type { Stage } from './world.ts';

/**
 * An image behind the pipeline's back: whoever may write the registry's folder and database needs no token. It is there, it can be pulled,
 * and it has no papers.
 */
export async function plantImage(stage: Stage): Promise<string> {
  const folders = foldersOf(stage.data);
  await using store = openStore(folders.storeFile);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const host = `127.0.0.1:${address !== null && typeof address !== 'string' ? address.port : 0}`;
  try {
    await using registry = await openRegistry({
      store,
      folder: folders.registry,
      clock: systemClock,
      logger: silentLogger,
      service: host,
      realm: `http://${host}/registry/token`,
      authenticate: async () => undefined,
      onGrant: async () => undefined,
    });
    server.on('request', (request, response) => void registry.handle(request, response));
    using push = await registry.mintPush({ repository: 'shop/shop', run: 999_999, ttlMs: 60_000 });
    using client = connectRegistry({ registry: host, plainHttp: true, auth: { bearer: push.token } });
    const tar = Buffer.alloc(1024);
    const layer = gzipSync(tar);
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: { Cmd: ['/bin/backdoor'] },
        rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
      }),
    );
    for (const bytes of [layer, config])
      await client.putBlob('shop/shop', { bytes }, { digest: digestOf(bytes), size: bytes.length }, stage.signal);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
        layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf(layer), size: layer.length }],
      }),
    );
    const { digest } = await client.putManifest('shop/shop', manifest, 'application/vnd.oci.image.manifest.v1+json', {
      signal: stage.signal,
    });
    return `${stage.host}/shop/shop@${digest}`;
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
