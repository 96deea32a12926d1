import type { Digest } from '../../kernel/digest.ts';
import type { ExternalRegistry } from './record.ts';

type Place = Pick<ExternalRegistry, 'server' | 'prefix' | 'naming'>;

/** The repository's name there. Docker Hub's own images are below `library/`, which nobody writes. */
export function externalRepository({ prefix, naming }: Omit<Place, 'server'>, repository: string, image: string): string {
  const name = naming === 'flat' ? `${repository}-${image}` : `${repository}/${image}`;
  return prefix === undefined ? name : `${prefix}/${name}`;
}

/** `server/prefix/repository/image@sha256:…`: how manifests name the copy of an image. Pure. */
export function externalReference(record: Place, repository: string, image: string, digest: Digest): string {
  return `${record.server}/${externalRepository(record, repository, image)}@${digest}`;
}

/** A name of one part at Docker Hub is below `library/` on the wire. */
export function wireRepository(server: string, repository: string): string {
  return server === 'docker.io' && !repository.includes('/') ? `library/${repository}` : repository;
}
