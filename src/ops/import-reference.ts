import { WaybillError } from '../kernel/error.ts';
import { parseReference, type Reference } from '../oci/reference.ts';
import { canonicalServer } from '../registry/external/record.ts';
import { upstreamName } from './upstream-name.ts';

/** As a reference is written in full: the registry is named, Docker Hub's short names are not guessed at. */
export type Upstream = Reference & { readonly registry: string };

/** @throws WaybillError INVALID_INPUT for a reference without its registry */
export function parseUpstream(text: string): Upstream {
  const reference = parseReference(text);
  const { registry } = reference;
  if (registry === undefined)
    throw new WaybillError('INVALID_INPUT', `${text} does not name its registry`, {
      fix: `Write it in full: docker.io/${reference.repository.includes('/') ? '' : 'library/'}${text}.`,
    });
  return { ...reference, registry };
}

/** `registry/repository` as rules about trust name it. */
export function nameOf(upstream: Upstream): string {
  return upstreamName(upstream.registry, upstream.repository);
}

/** Docker Hub keeps its own images under library/. */
export function sourceRepository({ registry, repository }: Upstream): string {
  return upstreamName(registry, repository).slice(canonicalServer(registry).length + 1);
}
