import type { ContentDigest } from '../oci/content-digest.ts';
import { ociIndex } from '../oci/media-types.ts';
import type { Exchange, Parts } from './exchange.ts';
import { ProtocolError, sendJson } from './protocol-error.ts';

const maxTags = 1_000;
const maxReferrers = 500;

/** GET `/tags/list`, with `n`, `last` and a `Link` to the next page. */
export async function listTags(parts: Parts, exchange: Exchange, repository: string): Promise<void> {
  onlyGet(exchange);
  parts.authority.demand(exchange.access, 'pull', repository);
  const asked = exchange.query.get('n');
  if (asked !== null && !/^\d{1,9}$/.test(asked)) throw new ProtocolError('UNSUPPORTED', 'n must be a number', { status: 400 });
  const limit = Math.min(asked === null ? maxTags : Number(asked), maxTags);
  if (!(await parts.catalog.exists(repository))) throw new ProtocolError('NAME_UNKNOWN', 'There is no such repository');
  const found = await parts.catalog.tags(repository, exchange.query.get('last') ?? undefined, limit + 1);
  const tags = found.slice(0, limit);
  const last = tags.at(-1);
  const more = found.length > limit && last !== undefined;
  sendJson(
    exchange.response,
    { name: repository, tags },
    more ? { link: `</v2/${repository}/tags/list?n=${limit}&last=${encodeURIComponent(last)}>; rel="next"` } : {},
  );
}

/** GET `/referrers/<digest>`: an image index, empty when nothing refers to the digest. */
export async function listReferrers(parts: Parts, exchange: Exchange, repository: string, digest: ContentDigest): Promise<void> {
  onlyGet(exchange);
  parts.authority.demand(exchange.access, 'pull', repository);
  const artifactType = exchange.query.get('artifactType') ?? undefined;
  const last = exchange.query.get('last') ?? undefined;
  const found = await parts.catalog.referrers(repository, digest, {
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(last === undefined ? {} : { last }),
    limit: maxReferrers + 1,
  });
  const manifests = found.slice(0, maxReferrers);
  const headers: Record<string, string> = { 'content-type': ociIndex };
  if (artifactType !== undefined) headers['oci-filters-applied'] = 'artifactType';
  if (found.length > maxReferrers) {
    const next = new URLSearchParams({ ...(artifactType === undefined ? {} : { artifactType }), last: manifests.at(-1)?.digest ?? '' });
    headers['link'] = `</v2/${repository}/referrers/${digest}?${next}>; rel="next"`;
  }
  sendJson(exchange.response, { schemaVersion: 2, mediaType: ociIndex, manifests }, headers);
}

function onlyGet(exchange: Exchange): void {
  if (exchange.method !== 'GET') throw new ProtocolError('UNSUPPORTED', 'This is read with GET', { headers: { allow: 'GET' } });
}
