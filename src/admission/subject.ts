import { printable } from '../policy/printable.ts';
import { get, getPath, getText } from './json.ts';

/**
 * What is judged, in words, with whoever made it: `Pod shop-7d9f-x in namespace prod (made by ReplicaSet shop-7d9f of Deployment shop)`.
 * Only for people: every name here is the object's own claim.
 */
export function describeSubject(object: unknown, kind: string, namespace: string | undefined, name: string | undefined): string {
  const metadata = get(object, 'metadata');
  const generated = getText(metadata, 'generateName');
  const own = nonEmpty(name) ?? getText(metadata, 'name') ?? (generated === undefined ? undefined : `${generated}*`);
  const where = namespace === undefined ? '' : ` in namespace ${printable(namespace, 63)}`;
  const owner = ownerOf(metadata);
  return `${printable(kind, 63)}${own === undefined ? '' : ` ${printable(own, 253)}`}${where}${owner === undefined ? '' : ` (made by ${owner})`}`;
}

/** The controller of an object, lifted to its Deployment where the name tells it. */
function ownerOf(metadata: unknown): string | undefined {
  const owners = get(metadata, 'ownerReferences');
  if (!Array.isArray(owners)) return undefined;
  const owner: unknown = owners.find((entry: unknown) => get(entry, 'controller') === true) ?? owners[0];
  const kind = getText(owner, 'kind');
  const name = getText(owner, 'name');
  if (kind === undefined || name === undefined) return undefined;
  const direct = `${printable(kind, 63)} ${printable(name, 253)}`;
  // A Deployment names its ReplicaSets NAME-HASH and labels their pods with the hash.
  const hash = getPath(metadata, ['labels', 'pod-template-hash']);
  if (kind !== 'ReplicaSet' || typeof hash !== 'string' || hash === '' || !name.endsWith(`-${hash}`)) return direct;
  return `${direct} of Deployment ${printable(name.slice(0, -hash.length - 1), 253)}`;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
