import { digestOf } from '../kernel/digest.ts';
import { ociManifest } from '../oci/media-types.ts';
import type { TestRegistry } from './registry.fixture.ts';

/** What was answered, so that it must hold from then on; the last one about a thing counts. `bytes` of an upload that goes on. */
export type Acknowledged =
  | { readonly what: 'blob' | 'manifest'; readonly path: string; readonly there: boolean }
  | { readonly what: 'referrer'; readonly path: string; readonly digest: string }
  | { readonly what: 'upload'; readonly path: string; readonly bytes: number };

const content = (name: string, bytes: number) => Buffer.alloc(bytes, `${name} `);
const layer = content('layer', 300_000);
const whole = content('whole', 50_000);
const config = content('config', 500);
const garbage = content('garbage', 40_000);
const unwanted = content('unwanted', 2_000);
export const unfinished = content('unfinished', 90_000);

const blobsOf = (repository: string) => `/v2/${repository}/blobs`;
const shop = blobsOf('shop/shop');

/**
 * Everything that changes the registry, one after another and with the same bytes each time: uploads in pieces and whole, manifests, tags,
 * papers, deletion, collection, mounting. After a crash it can be done once more.
 */
export async function changeEverything(server: TestRegistry, acknowledge: (done: Acknowledged) => void): Promise<void> {
  const { token } = await server.registry.mintPush({ repository: 'shop/shop', run: 1, ttlMs: 600_000 });
  const other = await server.registry.mintPush({ repository: 'shop/other', run: 1, ttlMs: 600_000, pullFrom: ['shop/shop'] });

  async function call(method: string, path: string, status: number, body?: Buffer | string, bearer = token): Promise<Headers> {
    const headers = { authorization: `Bearer ${bearer.reveal()}`, 'content-type': ociManifest };
    const answer = await fetch(server.url + path, { method, headers, ...(body === undefined ? {} : { body }) });
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    await answer.arrayBuffer();
    return answer.headers;
  }
  async function push(bytes: Buffer): Promise<void> {
    await call('POST', `${shop}/uploads/?digest=${digestOf(bytes)}`, 201, bytes);
    acknowledge({ what: 'blob', path: `${shop}/${digestOf(bytes)}`, there: true });
  }
  async function put(reference: string, text: string): Promise<void> {
    await call('PUT', `/v2/shop/shop/manifests/${reference}`, 201, text);
    acknowledge({ what: 'manifest', path: `/v2/shop/shop/manifests/${digestOf(text)}`, there: true });
    if (!reference.includes(':')) acknowledge({ what: 'manifest', path: `/v2/shop/shop/manifests/${reference}`, there: true });
  }

  /** Said before they are taken away: from here on they may be there or not. */
  function forget(...paths: string[]): void {
    for (const path of paths) acknowledge({ what: 'upload', path, bytes: 0 });
  }

  const begun = (await call('POST', `${shop}/uploads/`, 202)).get('location') ?? '';
  await call('PATCH', begun, 202, layer.subarray(0, 100_000));
  acknowledge({ what: 'upload', path: begun, bytes: 100_000 });
  await call('PATCH', begun, 202, layer.subarray(100_000, 200_000));
  acknowledge({ what: 'upload', path: begun, bytes: 200_000 });
  // Said before it is asked for: from here on the upload may be a blob.
  acknowledge({ what: 'upload', path: begun, bytes: 0 });
  await call('PUT', `${begun}?digest=${digestOf(layer)}`, 201, layer.subarray(200_000));
  acknowledge({ what: 'blob', path: `${shop}/${digestOf(layer)}`, there: true });
  for (const bytes of [whole, config]) await push(bytes);
  await put('v1', manifest([layer, whole], 'v1'));

  const paper = manifest([], 'paper', manifest([layer, whole], 'v1'));
  await put(digestOf(paper), paper);
  acknowledge({ what: 'referrer', path: `/v2/shop/shop/referrers/${digestOf(manifest([layer, whole], 'v1'))}`, digest: digestOf(paper) });

  await put('v2', manifest([whole], 'v2'));
  forget('/v2/shop/shop/manifests/v2', `/v2/shop/shop/manifests/${digestOf(manifest([whole], 'v2'))}`);
  await call('DELETE', `/v2/shop/shop/manifests/${digestOf(manifest([whole], 'v2'))}`, 202);
  acknowledge({ what: 'manifest', path: '/v2/shop/shop/manifests/v2', there: false });
  acknowledge({ what: 'manifest', path: `/v2/shop/shop/manifests/${digestOf(manifest([whole], 'v2'))}`, there: false });

  await push(unwanted);
  forget(`${shop}/${digestOf(unwanted)}`);
  await call('DELETE', `${shop}/${digestOf(unwanted)}`, 202);
  acknowledge({ what: 'blob', path: `${shop}/${digestOf(unwanted)}`, there: false });

  await push(garbage);
  await put('v3', manifest([garbage], 'v3'));
  forget(`${shop}/${digestOf(garbage)}`, '/v2/shop/shop/manifests/v3', `/v2/shop/shop/manifests/${digestOf(manifest([garbage], 'v3'))}`);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await server.registry.collect({
    rootReason: (image) => (image.tags.includes('v1') ? 'wanted' : undefined),
    graceMs: 0,
    dryRun: false,
    signal: AbortSignal.timeout(60_000),
  });
  acknowledge({ what: 'blob', path: `${shop}/${digestOf(garbage)}`, there: false });
  acknowledge({ what: 'manifest', path: '/v2/shop/shop/manifests/v3', there: false });

  await call('POST', `${blobsOf('shop/other')}/uploads/?mount=${digestOf(layer)}&from=shop/shop`, 201, undefined, other.token);
  const later = (await call('POST', `${shop}/uploads/`, 202)).get('location') ?? '';
  await call('PATCH', later, 202, unfinished);
  acknowledge({ what: 'upload', path: later, bytes: unfinished.length });
}

function manifest(layers: readonly Buffer[], note: string, about?: string): string {
  const describe = (bytes: Buffer | string, mediaType: string) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: ociManifest,
    ...(about === undefined ? {} : { artifactType: 'application/vnd.example.paper' }),
    config: describe(config, 'application/vnd.oci.image.config.v1+json'),
    layers: layers.map((bytes) => describe(bytes, 'application/vnd.oci.image.layer.v1.tar')),
    ...(about === undefined ? {} : { subject: describe(about, ociManifest) }),
    annotations: { note },
  });
}
