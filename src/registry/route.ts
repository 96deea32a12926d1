import { isContentDigest, type ContentDigest } from '../oci/content-digest.ts';
import { isRepositoryPath, isTag } from '../oci/reference.ts';
import { ProtocolError } from './protocol-error.ts';

/** What a URL under `/v2/` names. Every text in it is checked: nothing of a request reaches a path on disk but a ContentDigest's hex. */
export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'uploads'; readonly repository: string }
  | { readonly kind: 'upload'; readonly repository: string; readonly id: string }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: ContentDigest }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: ManifestReference }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'referrers'; readonly repository: string; readonly digest: ContentDigest };

export type ManifestReference = { readonly digest: ContentDigest } | { readonly tag: string };

const pattern = /^\/v2\/(.+)\/(?:(blobs)\/uploads\/([^/]*)|(blobs)\/([^/]+)|(manifests)\/([^/]+)|(tags)\/list|(referrers)\/([^/]+))$/;
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * @param path the URL's path, still percent-encoded, without the query
 * @throws ProtocolError NAME_INVALID, DIGEST_INVALID, TAG_INVALID, MANIFEST_UNKNOWN, BLOB_UPLOAD_UNKNOWN, NAME_UNKNOWN
 */
export function parseRoute(path: string, method: string): Route {
  if (path === '/v2/' || path === '/v2') return { kind: 'base' };
  if (path.length > 1_000) throw new ProtocolError('NAME_INVALID', 'The path is longer than 1000 characters');
  const match = pattern.exec(decode(path));
  if (!match) throw new ProtocolError('NAME_UNKNOWN', 'There is nothing at this path');
  const [, repository = '', uploads, id = '', blob, digest = '', manifest, reference = '', tags, , subject = ''] = match;
  if (!isRepositoryPath(repository)) throw new ProtocolError('NAME_INVALID', 'This is not a name of a repository');
  if (uploads !== undefined) {
    if (id === '') return { kind: 'uploads', repository };
    if (!uuid.test(id)) throw new ProtocolError('BLOB_UPLOAD_UNKNOWN', 'There is no such upload');
    return { kind: 'upload', repository, id };
  }
  if (blob !== undefined) return { kind: 'blob', repository, digest: wireDigest(digest) };
  if (manifest !== undefined) return { kind: 'manifest', repository, reference: manifestReference(reference, method) };
  if (tags !== undefined) return { kind: 'tags', repository };
  return { kind: 'referrers', repository, digest: wireDigest(subject) };
}

/** @throws ProtocolError DIGEST_INVALID */
export function wireDigest(text: string): ContentDigest {
  if (!isContentDigest(text))
    throw new ProtocolError('DIGEST_INVALID', 'A digest here is sha256: and 64, or sha512: and 128 lower-case hex digits');
  return text;
}

/** Who asks for a tag that no manifest can have is told that none has it; who sets it, that it is none. */
function manifestReference(text: string, method: string): ManifestReference {
  if (text.includes(':')) return { digest: wireDigest(text) };
  if (!isTag(text))
    throw method === 'PUT'
      ? new ProtocolError('TAG_INVALID', 'This is not a tag')
      : new ProtocolError('MANIFEST_UNKNOWN', 'This is not a tag, and no manifest has it');
  return { tag: text };
}

function decode(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new ProtocolError('NAME_INVALID', 'The path is not percent-encoded UTF-8', { cause });
  }
}
