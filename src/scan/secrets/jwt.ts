import type { Candidate, Judgement } from './candidate.ts';

/** A JSON Web Token (RFC 7519): its header names an algorithm; `exp` says whether it is over. */
export function judgeJwt({ value, now }: Candidate): Judgement {
  const [head = '', body = '', signature = ''] = value.split('.');
  const header = json(head);
  // It begins like a header and is none: shortened by hand, or damaged. Nobody takes it, and it is told all the same.
  if (header === undefined) return isHeader.test(decoded(head)) ? { severity: 'low', validity: 'malformed' } : undefined;
  if (!('alg' in header || 'enc' in header || 'typ' in header)) return undefined;
  // Without a signature it lets nobody in.
  if (header['alg'] === 'none' || signature === '') return { severity: 'low', validity: 'malformed' };
  const claims = json(body);
  if (claims === undefined) return {};
  // Of jwt.io's page; everybody's first token.
  if (claims['sub'] === '1234567890' && claims['name'] === 'John Doe') return undefined;
  const exp = claims['exp'];
  if (typeof exp === 'number' && exp * 1000 < now.getTime()) return { validity: 'expired', severity: 'low' };
  return { validity: 'well-formed' };
}

const isHeader = /^\{"(?:alg|typ|enc|kid|cty)":/;
const decoded = (part: string): string => Buffer.from(part, 'base64url').toString('latin1');

function json(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
