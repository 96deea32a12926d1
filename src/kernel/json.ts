import { WaybillError } from './error.ts';
import { Secret } from './secret.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue };

const deepest = 64;

/**
 * One text per value: names sorted by UTF-16 code unit, no white space, numbers and strings as JSON.stringify writes them
 * (RFC 8785, JSON Canonicalization Scheme). Properties that are `undefined` are left out, as in JSON.
 * @throws WaybillError INVALID_INPUT for a Secret, a number that JSON lacks, an object of a class, or nesting below 64 levels
 */
export function canonicalJson(value: unknown): string {
  try {
    return written(value, 0);
  } catch (cause) {
    if (cause instanceof Unwritable) throw new WaybillError('INVALID_INPUT', `$${cause.path.slice(0, 200)} ${cause.message}`);
    throw cause;
  }
}

/** What cannot be written. Its place is put together on the way up: there are documents with millions of places, and seldom one that is wrong. */
class Unwritable extends Error {
  path = '';
}

function written(value: unknown, depth: number): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (value instanceof Secret) throw new Unwritable('is a secret, and must not be written down');
  if (depth >= deepest && typeof value === 'object') throw new Unwritable(`is nested deeper than ${deepest} levels`);
  if (Array.isArray(value)) {
    let text = '[';
    for (let at = 0; at < value.length; at++) text += (at === 0 ? '' : ',') + part(value[at], depth, at);
    return `${text}]`;
  }
  if (typeof value === 'object' && isPlain(value)) {
    const of = value as Readonly<Record<string, unknown>>;
    let text = '';
    for (const name of Object.keys(of).sort())
      if (of[name] !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${part(of[name], depth, name)}`;
    return `{${text}}`;
  }
  throw new Unwritable(`is ${typeof value === 'object' ? 'an object of a class' : typeof value}, which JSON lacks`);
}

function part(value: unknown, depth: number, name: string | number): string {
  try {
    return written(value, depth + 1);
  } catch (error) {
    if (error instanceof Unwritable && error.path.length < 1_000)
      error.path = `${typeof name === 'number' ? `[${name}]` : `.${name}`}${error.path}`;
    throw error;
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
