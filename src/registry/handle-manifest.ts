import { algorithmOf, type ContentDigest, type DigestAlgorithm } from '../oci/content-digest.ts';
import { WaybillError } from '../kernel/error.ts';
import { parseWireManifest, subjectOf, type WireManifest } from '../oci/manifest.ts';
import { isTag } from '../oci/reference.ts';
import { readBody } from './body.ts';
import type { Exchange, Parts } from './exchange.ts';
import { ProtocolError } from './protocol-error.ts';
import type { ManifestReference } from './route.ts';

/** The specification asks for at least ten. */
const maxTagsAtOnce = 100;

/** GET, HEAD, PUT and DELETE of a manifest, by tag or by digest. */
export async function handleManifest(parts: Parts, exchange: Exchange, repository: string, reference: ManifestReference): Promise<void> {
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return await get(parts, exchange, repository, reference);
    case 'PUT':
      return await put(parts, exchange, repository, reference);
    case 'DELETE':
      return await remove(parts, exchange, repository, reference);
    default:
      throw new ProtocolError('UNSUPPORTED', 'A manifest knows GET, HEAD and PUT', { headers: { allow: 'GET, HEAD, PUT' } });
  }
}

async function get(parts: Parts, exchange: Exchange, repository: string, reference: ManifestReference): Promise<void> {
  parts.authority.demand(exchange.access, 'pull', repository);
  const digest = 'tag' in reference ? await parts.catalog.tag(repository, reference.tag) : reference.digest;
  const found = digest && (await parts.catalog.manifest(repository, digest));
  if (!found) throw new ProtocolError('MANIFEST_UNKNOWN', 'This repository has no such manifest or tag', { detail: reference });
  exchange.response.writeHead(200, {
    'content-type': found.mediaType,
    'content-length': found.bytes.length,
    'docker-content-digest': found.digest,
    etag: `"${found.digest}"`,
  });
  exchange.response.end(exchange.method === 'HEAD' ? undefined : found.bytes);
}

async function put(parts: Parts, exchange: Exchange, repository: string, reference: ManifestReference): Promise<void> {
  parts.authority.demand(exchange.access, 'push', repository);
  const { request, response } = exchange;
  const bytes = await readBody(request, parts.limits.manifestBytes);
  const tags = tagsOf(exchange, reference);
  const algorithm = 'digest' in reference ? algorithmOf(reference.digest) : 'sha256';
  const manifest = parse(bytes, request.headers['content-type']?.split(';', 1)[0]?.trim(), algorithm);
  if ('digest' in reference && reference.digest !== manifest.digest)
    throw new ProtocolError('DIGEST_INVALID', `The content is ${manifest.digest}, not ${reference.digest}`, {
      detail: { digest: reference.digest },
    });
  // The token may have ended while the bytes came.
  parts.authority.demand(exchange.access, 'push', repository);
  await parts.catalog.putManifest(repository, manifest, bytes, tags);
  const headers = created(repository, manifest.digest, subjectOf(manifest)?.digest);
  response.writeHead(201, 'digest' in reference && tags.length > 0 ? { ...headers, 'oci-tag': tags.join(', ') } : headers).end();
}

/** The tag of the path, and with a digest in the path those of `?tag=`, which can come again (distribution-spec "Pushing Manifests"). */
function tagsOf({ query }: Exchange, reference: ManifestReference): readonly string[] {
  if ('tag' in reference) return [reference.tag];
  const tags = [...new Set(query.getAll('tag'))];
  if (tags.length > maxTagsAtOnce)
    throw new ProtocolError('TAG_INVALID', `At most ${maxTagsAtOnce} tags are set with one manifest`, { status: 414 });
  const wrong = tags.find((tag) => !isTag(tag));
  if (wrong !== undefined) throw new ProtocolError('TAG_INVALID', 'This is not a tag', { detail: { tag: wrong.slice(0, 200) } });
  return tags;
}

function created(repository: string, digest: ContentDigest, subject: ContentDigest | undefined): Record<string, string | number> {
  const headers = { location: `/v2/${repository}/manifests/${digest}`, 'docker-content-digest': digest, 'content-length': 0 };
  return subject === undefined ? headers : { ...headers, 'oci-subject': subject };
}

function parse(bytes: Buffer, contentType: string | undefined, algorithm: DigestAlgorithm): WireManifest {
  try {
    return parseWireManifest(bytes, contentType, algorithm);
  } catch (error) {
    if (error instanceof WaybillError) throw new ProtocolError('MANIFEST_INVALID', error.detail, { cause: error });
    throw error;
  }
}

async function remove(parts: Parts, exchange: Exchange, repository: string, reference: ManifestReference): Promise<void> {
  parts.authority.demand(exchange.access, 'push', repository);
  if (!parts.deletion) throw new ProtocolError('UNSUPPORTED', 'This registry deletes nothing', { headers: { allow: 'GET, HEAD, PUT' } });
  const done =
    'tag' in reference
      ? await parts.catalog.deleteTag(repository, reference.tag)
      : await parts.catalog.deleteManifest(repository, reference.digest);
  if (!done) throw new ProtocolError('MANIFEST_UNKNOWN', 'This repository has no such manifest or tag', { detail: reference });
  exchange.response.writeHead(202, { 'content-length': 0 }).end();
}
