import { isUtf8 } from 'node:buffer';

/** Objects of foreign JSON, taken apart without trusting a name: `__proto__` is a name like others. */
export type Json = Readonly<Record<string, unknown>>;

export function parseJson(bytes: Buffer): unknown {
  return JSON.parse(decode(bytes));
}

/** Text of a file, without its byte order mark. @throws Error when it is not UTF-8: names would be others than they are */
export function decode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new Error('it is not UTF-8');
  const text = bytes.toString('utf8');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

export function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function entries(value: unknown): readonly (readonly [string, unknown])[] {
  return Object.entries(object(value));
}

/** Entries of a map that may be missing or empty. @throws Error when it is something else: what it holds would be passed over in silence */
export function mapEntries(value: unknown, name: string): readonly (readonly [string, unknown])[] {
  mustBeMap(value, name);
  return entries(field(value, name));
}

/** @throws Error when it is there and neither a map nor empty */
export function mustBeMap(value: unknown, name: string): void {
  const found = field(value, name);
  if (found === undefined || found === null || found === '') return;
  if (typeof found !== 'object' || Array.isArray(found)) throw new Error(`its ${JSON.stringify(name)} is no map`);
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
