import { digestOf, type Digest } from '../../kernel/digest.ts';
import { isJsonObject, type KubeObject } from '../../kube/object.ts';

/** One digest over rendered objects: SHA-256 of their JSON in order, with sorted keys. The release paper names it. */
export function manifestDigest(objects: readonly { readonly object: KubeObject }[]): Digest {
  return digestOf(JSON.stringify(objects.map((entry) => sorted(entry.object))));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
