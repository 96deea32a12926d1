import { WaybillError } from '../../kernel/error.ts';
import { numberAt, objectsAt, textAt, textsAt, titleOf, valueAt, type JsonObject, type KubeObject } from '../../kube/object.ts';

/** ConfigMaps and Secrets of the same release: kind and name → key → content. */
export type Values = ReadonlyMap<string, ReadonlyMap<string, Buffer>>;

/** A file of a volume; `path` is relative and stays inside. */
export type VolumeFile = { readonly path: string; readonly content: Buffer; readonly mode: number };

export function valuesOf(objects: readonly KubeObject[]): Values {
  const values = new Map<string, ReadonlyMap<string, Buffer>>();
  for (const object of objects) {
    if (object.apiVersion !== 'v1' || (object.kind !== 'ConfigMap' && object.kind !== 'Secret')) continue;
    const entries = new Map<string, Buffer>();
    const base64 = object.kind === 'Secret' ? 'data' : 'binaryData';
    for (const [key, text] of Object.entries(textsAt(object, base64))) entries.set(key, Buffer.from(text, 'base64'));
    const plain = object.kind === 'Secret' ? 'stringData' : 'data';
    for (const [key, text] of Object.entries(textsAt(object, plain))) entries.set(key, Buffer.from(text));
    values.set(`${object.kind}/${object.metadata.name}`, entries);
  }
  return values;
}

/** `env` and `envFrom` of a container as plain entries, in the order in which Kubernetes lets later ones win. */
export function plainEnv(container: JsonObject, values: Values, workload: KubeObject): JsonObject[] {
  const env: JsonObject[] = [];
  for (const source of objectsAt(container, 'envFrom')) {
    const prefix = textAt(source, 'prefix') ?? '';
    for (const [field, kind] of [
      ['configMapRef', 'ConfigMap'],
      ['secretRef', 'Secret'],
    ] as const) {
      const reference = valueAt(source, field);
      if (reference === undefined) continue;
      for (const [key, content] of lookUp(values, kind, reference, workload) ?? [])
        env.push({ name: prefix + key, value: content.toString('utf8') });
    }
  }
  for (const entry of objectsAt(container, 'env')) {
    const resolved = resolveEntry(entry, values, workload);
    if (resolved !== undefined) env.push(resolved);
  }
  const last = new Map(env.map((entry) => [entry['name'], entry]));
  return env.filter((entry) => last.get(entry['name']) === entry);
}

function resolveEntry(entry: JsonObject, values: Values, workload: KubeObject): JsonObject | undefined {
  for (const [field, kind] of [
    ['configMapKeyRef', 'ConfigMap'],
    ['secretKeyRef', 'Secret'],
  ] as const) {
    const reference = valueAt(entry, 'valueFrom', field);
    if (reference === undefined) continue;
    const key = textAt(reference, 'key') ?? '';
    const content = lookUp(values, kind, reference, workload)?.get(key);
    if (content !== undefined) return { name: entry['name'], value: content.toString('utf8') };
    if (valueAt(reference, 'optional') === true) return undefined;
    throw missing(workload, `the key ${key} of the ${kind} ${textAt(reference, 'name') ?? ''}`);
  }
  return entry;
}

/** The files of a `configMap` or `secret` volume; undefined for another type of volume. */
export function volumeFiles(volume: JsonObject, values: Values, workload: KubeObject): VolumeFile[] | undefined {
  for (const [field, kind, nameField] of [
    ['configMap', 'ConfigMap', 'name'],
    ['secret', 'Secret', 'secretName'],
  ] as const) {
    const source = valueAt(volume, field);
    if (source === undefined) continue;
    const name = textAt(source, nameField) ?? '';
    const content = lookUp(values, kind, { name, optional: valueAt(source, 'optional') }, workload) ?? new Map<string, Buffer>();
    const mode = numberAt(source, 'defaultMode') ?? 0o644;
    const items = objectsAt(source, 'items');
    if (items.length === 0) return [...content].map(([key, bytes]) => ({ path: inside(key, workload), content: bytes, mode }));
    return items.flatMap((item) => {
      const key = textAt(item, 'key') ?? '';
      const bytes = content.get(key);
      if (bytes !== undefined)
        return [{ path: inside(textAt(item, 'path') ?? key, workload), content: bytes, mode: numberAt(item, 'mode') ?? mode }];
      if (valueAt(source, 'optional') === true) return [];
      throw missing(workload, `the key ${key} of the ${kind} ${name}`);
    });
  }
  return undefined;
}

function lookUp(values: Values, kind: string, reference: unknown, workload: KubeObject): ReadonlyMap<string, Buffer> | undefined {
  const name = textAt(reference, 'name') ?? '';
  const found = values.get(`${kind}/${name}`);
  if (found === undefined && valueAt(reference, 'optional') !== true) throw missing(workload, `the ${kind} ${name}`);
  return found;
}

function missing(workload: KubeObject, what: string): WaybillError {
  return new WaybillError('INVALID_INPUT', `${titleOf(workload)} needs ${what}, which the manifests do not hold`, {
    fix: 'Add it to the manifests: on this host there is no other place from which it could come.',
  });
}

function inside(path: string, workload: KubeObject): string {
  const parts = path.split('/');
  if (path === '' || parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\0'))
    throw new WaybillError('INVALID_INPUT', `${titleOf(workload)} has a volume with the path ${JSON.stringify(path.slice(0, 100))}`);
  return path;
}
