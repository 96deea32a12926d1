/** Objects of foreign JSON, taken apart without trusting a name: `__proto__` is a name like others. */
export type Json = Readonly<Record<string, unknown>>;

export function parseJson(bytes: Buffer): unknown {
  const text = bytes.toString('utf8');
  return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text);
}

export function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function entries(value: unknown): readonly (readonly [string, unknown])[] {
  return Object.entries(object(value));
}

export function field(value: unknown, name: string): unknown {
  const of = object(value);
  return Object.hasOwn(of, name) ? of[name] : undefined;
}

export function text(value: unknown, name?: string): string | undefined {
  const found = name === undefined ? value : field(value, name);
  return typeof found === 'string' ? found : undefined;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
