import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { digestOf, isDigest, parseDigest, type Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import { refusalOf } from './client-error.ts';
import type { Call } from './client-session.ts';
import type { BlobSource, FetchedManifest, RegistryClient, RegistryClientOptions, Resolved } from './client-types.ts';
import { pullToLayout, pushLayout } from './copy-layout.ts';
import { digestCheck } from './digest-check.ts';
import { maxManifestBytes, parseManifest } from './manifest.ts';
import { manifestMediaTypes } from './media-types.ts';
import { isRepositoryPath, isTag } from './reference.ts';
import { openSession } from './open-session.ts';
import { probe } from './probe.ts';
import { attachReferrer, listReferrers } from './referrers.ts';
import { readAnswer, type HttpResponse } from './transport.ts';
import { nextLink, type Wire } from './wire.ts';

const maxTagPages = 1_000;

/** Nothing is sent before the first call. @throws WaybillError INVALID_INPUT */
export function connectRegistry(options: RegistryClientOptions): RegistryClient {
  const { registry, limits = {} } = options;
  const session = openSession(options);
  const blobMs = limits.blobMs ?? 3_600_000;
  const wire: Wire = {
    async expect(call, statuses, what) {
      if (!isRepositoryPath(call.repository))
        throw new WaybillError('INVALID_INPUT', `${JSON.stringify(call.repository.slice(0, 300))} is not a name of a repository`);
      const response = await session.call(call);
      if (!statuses.includes(response.status)) throw await refusalOf(response, what);
      return response;
    },
  };

  async function resolve(repository: string, reference: string, signal?: AbortSignal): Promise<Resolved | undefined> {
    const response = await wire.expect(
      { ...manifestCall('HEAD', repository, reference), signal },
      [200, 404],
      `Looking up ${repository} ${reference}`,
    );
    response.body.resume();
    if (response.status === 404) return undefined;
    const digest = String(response.headers['docker-content-digest'] ?? (isDigest(reference) ? reference : ''));
    // A registry may leave the digest out: then the content says it.
    if (!isDigest(digest)) return (await getManifest(repository, reference, signal)).descriptor;
    if (isDigest(reference) && digest !== reference)
      throw new WaybillError('DIGEST_MISMATCH', `${registry} names ${digest} when it is asked for ${reference}`);
    return { digest, mediaType: contentType(response), size: Number(response.headers['content-length'] ?? 0) };
  }

  async function getManifest(repository: string, reference: string, signal?: AbortSignal): Promise<FetchedManifest> {
    const what = `Reading the manifest ${repository} ${reference}`;
    const response = await wire.expect({ ...manifestCall('GET', repository, reference), signal }, [200], what);
    const bytes = await readAnswer(response, maxManifestBytes);
    const digest = digestOf(bytes);
    const named = isDigest(reference) ? reference : response.headers['docker-content-digest'];
    if (named !== undefined && named !== digest)
      throw new WaybillError('DIGEST_MISMATCH', `${what}: it is ${digest}, not ${String(named)}`);
    const mediaType = contentType(response);
    const manifest = parseManifest(bytes, manifestMediaTypes.includes(mediaType) ? mediaType : undefined);
    return { manifest, bytes, descriptor: { digest, mediaType: manifest.mediaType, size: bytes.length } };
  }

  async function getBlob(repository: string, blob: { digest: Digest; size?: number }, signal?: AbortSignal): Promise<Readable> {
    const what = `Reading the blob ${blob.digest} of ${repository}`;
    const call = {
      method: 'GET',
      path: `/v2/${repository}/blobs/${parseDigest(blob.digest)}`,
      repository,
      action: 'pull',
      signal,
    } as const;
    const response = await wire.expect({ ...call, timeoutMs: blobMs }, [200], what);
    const checked = digestCheck(blob, what);
    response.body.once('error', (cause) => checked.destroy(response.explain(cause)));
    checked.once('close', () => response.body.destroy());
    return response.body.pipe(checked);
  }

  async function hasBlob(repository: string, digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const call = {
      method: 'HEAD',
      path: `/v2/${repository}/blobs/${parseDigest(digest)}`,
      repository,
      action: 'pull,push',
      signal,
    } as const;
    const response = await wire.expect(call, [200, 404], `Looking for the blob ${digest} in ${repository}`);
    response.body.resume();
    return response.status === 200;
  }

  async function putBlob(
    repository: string,
    source: BlobSource,
    blob: { digest: Digest; size: number },
    signal?: AbortSignal,
  ): Promise<void> {
    const what = `Pushing the blob ${blob.digest} to ${repository}`;
    const start = { method: 'POST', path: `/v2/${repository}/blobs/uploads/`, repository, action: 'pull,push', signal } as const;
    const started = await wire.expect(start, [202], what);
    started.body.resume();
    const { location } = started.headers;
    if (location === undefined || !URL.canParse(location, started.url.href))
      throw new WaybillError('REGISTRY_FAILED', `${what}: no place to upload to was given`);
    const url = new URL(location, started.url);
    url.searchParams.set('digest', parseDigest(blob.digest));
    const body =
      'bytes' in source
        ? source
        : {
            size: blob.size,
            open: () => ('stream' in source ? source.stream : createReadStream(source.path, { highWaterMark: 1024 * 1024 })),
          };
    const call = { method: 'PUT', path: url.href, repository, action: 'pull,push', body, signal, timeoutMs: blobMs } as const;
    const finished = await wire.expect({ ...call, headers: { 'content-type': 'application/octet-stream' } }, [201, 204], what);
    finished.body.resume();
  }

  async function putManifest(
    repository: string,
    bytes: Uint8Array,
    mediaType: string,
    { tag, signal }: { tag?: string; signal?: AbortSignal } = {},
  ): Promise<{ digest: Digest; subject: Digest | undefined }> {
    const digest = digestOf(bytes);
    const call = manifestCall('PUT', repository, tag ?? digest);
    const what = `Pushing the manifest ${tag ?? digest} to ${repository}`;
    const response = await wire.expect(
      { ...call, headers: { 'content-type': mediaType }, body: { bytes }, repeatable: true, signal },
      [201, 202],
      what,
    );
    response.body.resume();
    const named = response.headers['docker-content-digest'];
    if (named !== undefined && named !== digest)
      throw new WaybillError('DIGEST_MISMATCH', `${what}: the registry took it for ${String(named)}`);
    const subject = String(response.headers['oci-subject'] ?? '');
    return { digest, subject: isDigest(subject) ? subject : undefined };
  }

  async function listTags(repository: string, signal?: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    let path: string | undefined = `/v2/${repository}/tags/list?n=1000`;
    for (let page = 0; path !== undefined && page < maxTagPages; page++) {
      const response: HttpResponse = await wire.expect(
        { method: 'GET', path, repository, action: 'pull', signal },
        [200],
        `Listing the tags of ${repository}`,
      );
      const answer = JSON.parse((await readAnswer(response, maxManifestBytes)).toString('utf8')) as { tags?: unknown };
      if (Array.isArray(answer.tags)) tags.push(...answer.tags.filter((tag): tag is string => typeof tag === 'string' && isTag(tag)));
      path = nextLink(response);
    }
    return tags;
  }

  const client: RegistryClient = {
    registry,
    resolve,
    getManifest,
    getBlob,
    hasBlob,
    putBlob,
    putManifest,
    listTags,
    pushLayout: (folder, digest, repository, copy) => pushLayout(client, folder, digest, repository, copy),
    pullToLayout: (repository, reference, folder, copy) => pullToLayout(client, repository, reference, folder, copy),
    listReferrers: (repository, digest, query) => listReferrers(client, wire, repository, digest, query),
    probe: (repository, signal) => probe(wire, repository, signal),
    attachReferrer: (repository, subject, attach) => attachReferrer(client, repository, subject, attach),
    [Symbol.dispose]: () => session[Symbol.dispose](),
  };
  return client;
}

function manifestCall(method: string, repository: string, reference: string): Call {
  if (!isDigest(reference) && !isTag(reference))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(reference.slice(0, 200))} is neither a tag nor a digest`);
  const action = method === 'PUT' ? 'pull,push' : 'pull';
  return {
    method,
    path: `/v2/${repository}/manifests/${reference}`,
    repository,
    action,
    headers: { accept: manifestMediaTypes.join(', ') },
  };
}

function contentType(response: HttpResponse): string {
  return response.headers['content-type']?.split(';', 1)[0]?.trim() ?? '';
}
