import { gzipSync } from 'node:zlib';
import { digestOf } from '../../src/kernel/digest.ts';
import { behindTheBack } from './behind.ts';
import type { Stage } from './world.ts';

/**
 * An image behind the pipeline's back: whoever may write the registry's folder and database needs no token. It is there, it can be pulled,
 * and it has no papers.
 */
export async function plantImage(stage: Stage): Promise<string> {
  return behindTheBack(stage.data, 'shop/shop', async (client) => {
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
  });
}
