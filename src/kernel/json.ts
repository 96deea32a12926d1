import { WaybillError } from './error.ts';
import { Secret } from './secret.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue };

const deepest = 64;

/**
 * One text per value: names sorted by UTF-16 code unit, no white space, numbers and strings as JSON.stringify writes them
 * (RFC 8785, JSON Canonicalization Scheme). Properties that are `undefined` are left out, as in JSON.
 * @throws WaybillError INVALID_INPUT for a Secret, a number that JSON lacks, an object of a class, or nesting below 64 levels
 */
export function canonicalJson(value: unknown, path = '$', depth = 0): string {
  if (depth > deepest) throw new WaybillError('INVALID_INPUT', `${path.slice(0, 200)} is nested deeper than ${deepest} levels`);
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (value instanceof Secret) throw new WaybillError('INVALID_INPUT', `${path} is a secret, and must not be written down`);
  if (Array.isArray(value)) return `[${value.map((item, at) => canonicalJson(item, `${path}[${at}]`, depth + 1)).join(',')}]`;
  if (typeof value === 'object' && isPlain(value)) {
    const parts: string[] = [];
    for (const [name, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      if (item !== undefined) parts.push(`${JSON.stringify(name)}:${canonicalJson(item, `${path}.${name}`, depth + 1)}`);
    return `{${parts.join(',')}}`;
  }
  throw new WaybillError(
    'INVALID_INPUT',
    `${path} is ${typeof value === 'object' ? 'an object of a class' : typeof value}, which JSON lacks`,
  );
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
