import { isName } from '../../kernel/ids.ts';
import { isRepositoryPath } from '../../oci/reference.ts';
import { canonicalServer } from '../external/record.ts';

/** What is mirrored has names of three parts and more, below this one: images have two, and imports are below `import/`. */
const root = 'mirror';

/** Where a request is answered from a mirror: the mirror's name, or its server, and the repository as it is called there. */
export type MirrorPlace = ({ readonly name: string } | { readonly server: string }) & { readonly repository: string };

export function mirrorRepository(name: string, repository: string): string {
  return `${root}/${name}/${repository}`;
}

/** Everything that the registry calls so is a mirror's: nobody pushes there, and no image is built from it without an import. */
export function parseMirrorRepository(repository: string): { readonly name: string; readonly repository: string } | undefined {
  const [, name, rest] = /^mirror\/([^/]+)\/(.+)$/.exec(repository) ?? [];
  return name === undefined || rest === undefined || !isName(name) ? undefined : { name, repository: rest };
}

/**
 * @param namespace the query's `ns`: containerd names there the registry that the image belongs to when it asks another host for it
 * @param own how this registry is called in references
 * @returns undefined for a repository of the registry itself
 */
export function mirrorPlace(repository: string, namespace: string | null, own: string): MirrorPlace | undefined {
  const named = parseMirrorRepository(repository);
  if (named) return named;
  if (namespace === null || namespace === '' || canonicalServer(namespace) === canonicalServer(own)) return undefined;
  return { server: canonicalServer(namespace), repository };
}

/** Whether the mirror fetches this repository, which its prefix may forbid. */
export function isMirrored(prefix: string | undefined, repository: string): boolean {
  return isRepositoryPath(repository) && (prefix === undefined || repository === prefix || repository.startsWith(`${prefix}/`));
}
