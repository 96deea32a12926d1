/** An object of parsed JSON. Only own properties are read: the text may say `__proto__` or ask for `constructor`. */
export type JsonObject = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function get(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

export function getPath(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(get, value);
}

/** The text at a key, or nothing when it is no text. */
export function getText(value: unknown, key: string): string | undefined {
  const found = get(value, key);
  return typeof found === 'string' ? found : undefined;
}
