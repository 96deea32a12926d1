import { isDigest, parseDigest, type Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';

/** `registry/repository:tag@digest`. No registry means that none was written: `docker.io` is never assumed. */
export type Reference = {
  /** `host` or `host:port`. */
  readonly registry?: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
};

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const registryPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

/** Distribution-spec `<name>`: at most 255 characters. */
export function isRepositoryPath(text: string): boolean {
  return text.length <= 255 && repositoryPattern.test(text);
}

/** Distribution-spec `<tag>`: at most 128 characters. */
export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** `host`, `host:port` or `[v6]:port`; no scheme, no path, no user. */
export function isRegistryHost(text: string): boolean {
  return text.length <= 300 && registryPattern.test(text);
}

/**
 * The first component is a registry when it holds a `.` or a `:`, or is `localhost`, as every container tool reads it.
 * @throws WaybillError INVALID_INPUT
 */
export function parseReference(text: string): Reference {
  const refuse = (why: string) =>
    new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 300))} is not an image reference: ${why}`);
  if (text.length > 900) throw refuse('it is longer than 900 characters');
  const at = text.indexOf('@');
  const digestText = at < 0 ? undefined : text.slice(at + 1);
  let rest = at < 0 ? text : text.slice(0, at);
  if (digestText !== undefined && !isDigest(digestText)) throw refuse('what follows @ is not sha256: and 64 hex digits');

  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  const registry = first === 'localhost' || /[.:]/.test(first) ? first : undefined;
  if (registry !== undefined) {
    if (!isRegistryHost(registry)) throw refuse(`${JSON.stringify(registry)} is not a host or host:port`);
    rest = rest.slice(slash + 1);
  }
  const colon = rest.indexOf(':');
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  const repository = colon < 0 ? rest : rest.slice(0, colon);
  if (!isRepositoryPath(repository))
    throw refuse('a repository is lower-case letters and digits, with single separators . _ - / between them');
  if (tag !== undefined && !isTag(tag)) throw refuse('a tag is letters, digits, and . _ - after the first, at most 128');
  return {
    ...(registry === undefined ? {} : { registry }),
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digestText === undefined ? {} : { digest: parseDigest(digestText) }),
  };
}

export function formatReference(reference: Reference): string {
  const { registry, repository, tag, digest } = reference;
  return `${registry === undefined ? '' : `${registry}/`}${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}
