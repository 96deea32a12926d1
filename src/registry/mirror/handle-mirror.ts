import { z } from 'zod';
import { ociIndex } from '../../oci/media-types.ts';
import type { Exchange, Parts } from '../exchange.ts';
import { wireRepository } from '../external/naming.ts';
import { ProtocolError, sendJson } from '../protocol-error.ts';
import type { ManifestReference, Route } from '../route.ts';
import type { FoundManifest, Mirrors } from './mirror.ts';
import type { Mirror } from './mirrored.ts';
import { toProtocolError } from './outcome.ts';
import { isMirrored, mirrorRepository, type MirrorPlace } from './path.ts';
import { serveBlob } from './serve-blob.ts';

type Place = { readonly mirror: Mirror; readonly repository: string };

/** Pulls from the cache. Who may: whoever the registry lets pull `mirror/NAME/…`. Nobody pushes. */
export async function handleMirror(
  parts: Parts,
  mirrors: Mirrors,
  exchange: Exchange,
  route: Exclude<Route, { kind: 'base' }>,
  asked: MirrorPlace,
): Promise<void> {
  const { method } = exchange;
  // Also for nobody: the challenge has to name what the token is for, since containerd does not ask a second time.
  const mirror = await mirrors.find(asked);
  const name = 'name' in asked ? asked.name : (mirror?.name ?? 'none');
  const full = mirrorRepository(name, asked.repository);
  if (method !== 'GET' && method !== 'HEAD') {
    parts.authority.demand(exchange.access, 'push', full);
    throw new ProtocolError('UNSUPPORTED', 'A mirror is filled from its upstream alone', { headers: { allow: 'GET, HEAD' } });
  }
  parts.authority.demand(exchange.access, 'pull', full);
  if (!mirror) throw new ProtocolError('NAME_UNKNOWN', `There is no mirror ${'name' in asked ? asked.name : `of ${asked.server}`}`);
  const repository = wireRepository(mirror.server, asked.repository);
  if (!isMirrored(mirror.prefix, repository))
    throw new ProtocolError('NAME_UNKNOWN', `The mirror ${mirror.name} has only what is below ${mirror.prefix}`);
  const place = { mirror, repository };
  switch (route.kind) {
    case 'manifest':
      return await sendManifest(mirrors, exchange, place, route.reference);
    case 'blob':
      return await serveBlob(parts, mirrors, exchange, place, route.digest);
    case 'tags':
      return await sendTags(mirrors, exchange, place, full);
    case 'referrers':
      return await sendReferrers(mirrors, exchange, place, route.digest);
    default:
      throw new ProtocolError('UNSUPPORTED', 'A mirror takes no uploads', { headers: { allow: 'GET, HEAD' } });
  }
}

async function sendManifest(
  mirrors: Mirrors,
  exchange: Exchange,
  { mirror, repository }: Place,
  reference: ManifestReference,
): Promise<void> {
  const outcome = await mirrors.manifest(mirror, repository, reference);
  if (outcome.kind !== 'found') throw toProtocolError(outcome, { server: mirror.server, code: 'MANIFEST_UNKNOWN' });
  const { manifest } = outcome.value;
  exchange.response.writeHead(200, {
    'content-type': manifest.mediaType,
    'content-length': manifest.bytes.length,
    'docker-content-digest': manifest.digest,
    etag: `"${manifest.digest}"`,
    ...cacheHeaders(outcome.value),
  });
  exchange.response.end(exchange.method === 'HEAD' ? undefined : manifest.bytes);
}

/** RFC 9211, and in words when the tag could not be checked. */
function cacheHeaders({ how, ttl, checkedAt, why }: FoundManifest): Record<string, string> {
  const fresh = ttl === undefined ? '' : `; ttl=${ttl}`;
  switch (how) {
    case 'hit':
      return { 'cache-status': `waybill; hit${fresh}` };
    case 'revalidated':
      return { 'cache-status': `waybill; hit${fresh}; detail=revalidated` };
    case 'fetched':
      return { 'cache-status': `waybill; fwd=miss; stored${fresh}` };
    case 'stale':
      return {
        'cache-status': `waybill; hit${fresh}; detail=stale`,
        'waybill-stale': `checked ${checkedAt ?? ''}; the upstream does not answer: ${(why ?? '').replaceAll(/[^\x20-\x7e]+/g, ' ')}`,
      };
    default:
      return how satisfies never;
  }
}

async function sendTags(mirrors: Mirrors, exchange: Exchange, { mirror, repository }: Place, full: string): Promise<void> {
  const query = new URLSearchParams();
  for (const name of ['n', 'last'] as const) {
    const value = exchange.query.get(name);
    if (value !== null) query.set(name, value.slice(0, 200));
  }
  const outcome = await mirrors.tags(mirror, repository, query);
  if (outcome.kind !== 'found') throw toProtocolError(outcome, { server: mirror.server, code: 'NAME_UNKNOWN' });
  const { tags, more, stale } = outcome.value;
  const last = tags.at(-1);
  const next = new URLSearchParams({ n: exchange.query.get('n') ?? '1000', last: last ?? '' });
  sendJson(
    exchange.response,
    { name: full, tags },
    {
      ...(more && last !== undefined ? { link: `</v2/${full}/tags/list?${next}>; rel="next"` } : {}),
      ...(stale ? { 'waybill-stale': 'the upstream does not answer; these tags are in the cache' } : {}),
    },
  );
}

const index = z.looseObject({ schemaVersion: z.literal(2), manifests: z.array(z.unknown()).max(100_000) });

/** Of one page; what stands on further ones is left to whoever asks the server itself. */
async function sendReferrers(
  mirrors: Mirrors,
  exchange: Exchange,
  { mirror, repository }: Place,
  digest: Parameters<Mirrors['referrers']>[2],
): Promise<void> {
  const type = exchange.query.get('artifactType');
  const query = new URLSearchParams(type === null ? {} : { artifactType: type.slice(0, 300) });
  const outcome = await mirrors.referrers(mirror, repository, digest, query);
  if (outcome.kind !== 'found') throw toProtocolError(outcome, { server: mirror.server, code: 'MANIFEST_UNKNOWN' });
  let parsed: unknown;
  try {
    parsed = index.parse(JSON.parse(outcome.value.toString('utf8')));
  } catch (cause) {
    throw new ProtocolError('UNKNOWN', `${mirror.server} gave a list of referrers that cannot be read`, { status: 502, cause });
  }
  sendJson(exchange.response, parsed, { 'content-type': ociIndex });
}
