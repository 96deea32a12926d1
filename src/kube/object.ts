/** Any Kubernetes object as it stands in a manifest or comes from the API server: JSON whose spec is not looked into here. */
export type KubeObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: KubeMetadata;
  readonly [field: string]: unknown;
};

export type KubeMetadata = {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
};

export type JsonObject = { readonly [key: string]: unknown };

/** Which kind of object, without its name. */
export type KubeType = { readonly apiVersion: string; readonly kind: string };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path of field names and list indexes; undefined as soon as something on the way is missing. */
export function valueAt(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current: unknown = value;
  for (const step of path) {
    if (typeof step === 'number') current = Array.isArray(current) ? current[step] : undefined;
    else current = isJsonObject(current) ? current[step] : undefined;
  }
  return current;
}

export function textAt(value: unknown, ...path: readonly (string | number)[]): string | undefined {
  const found = valueAt(value, ...path);
  return typeof found === 'string' ? found : undefined;
}

export function numberAt(value: unknown, ...path: readonly (string | number)[]): number | undefined {
  const found = valueAt(value, ...path);
  return typeof found === 'number' ? found : undefined;
}

/** The objects in a list; empty when there is none. */
export function objectsAt(value: unknown, ...path: readonly (string | number)[]): readonly JsonObject[] {
  const found = valueAt(value, ...path);
  return Array.isArray(found) ? found.filter(isJsonObject) : [];
}

/** The string values of a map such as labels or annotations. */
export function textsAt(value: unknown, ...path: readonly (string | number)[]): Readonly<Record<string, string>> {
  const found = valueAt(value, ...path);
  if (!isJsonObject(found)) return {};
  return Object.fromEntries(Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

export function isKubeObject(value: unknown): value is KubeObject {
  return (
    typeof valueAt(value, 'apiVersion') === 'string' &&
    typeof valueAt(value, 'kind') === 'string' &&
    typeof valueAt(value, 'metadata', 'name') === 'string'
  );
}

/** `Deployment web`, for messages. */
export function titleOf(object: { readonly kind: string; readonly metadata: { readonly name: string } }): string {
  return `${object.kind} ${object.metadata.name}`;
}
