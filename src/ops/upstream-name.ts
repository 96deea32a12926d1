import { WaybillError } from '../kernel/error.ts';
import { parseReference } from '../oci/reference.ts';
import { canonicalServer } from '../registry/external/record.ts';

/** `registry/repository` in the one spelling that rules use: Docker Hub is `docker.io`, and its own images are under `library/`. */
export function upstreamName(registry: string, repository: string): string {
  const server = canonicalServer(registry);
  return `${server}/${server === 'docker.io' && !repository.includes('/') ? 'library/' : ''}${repository}`;
}

/** Of a reference in full. @throws WaybillError INVALID_INPUT */
export function upstreamNameOf(text: string): string {
  const { registry, repository } = parseReference(text);
  if (registry === undefined) throw new WaybillError('INVALID_INPUT', `${text} does not name its registry`);
  return upstreamName(registry, repository);
}
