import { X509Certificate } from 'node:crypto';
import type { Candidate, Judgement } from './candidate.ts';

const longest = 32 * 1024;
const shortest = 64;

/**
 * From `-----BEGIN … PRIVATE KEY-----` on: is there a key, is it under a password, and is the certificate that stands beside it over? In a JSON string or a
 * shell script lines are ended by `\n`, and may begin with `#`, `>`, quotes: only the base64 counts, and makes the value.
 */
export function judgePrivateKey({ text, start, end, now }: Candidate): Judgement {
  const from = end;
  const limit = Math.min(text.length, from + longest);
  // Most that are none are followed by another one at once.
  const following = text.slice(from, limit);
  const next = following.indexOf('-----BEGIN');
  const inner = next < 0 ? following : following.slice(0, next);
  const close = inner.indexOf('-----END');
  const stop = from + (close < 0 ? inner.length : close);
  const block = text.slice(from, stop);
  const headers = /Proc-Type: ?4, ?ENCRYPTED|^Comment:.*|^Version:.*|DEK-Info: ?[\w,-]+/gm;
  const body = block
    .replaceAll(headers, '')
    .replaceAll(/\\+[nrt]/g, '\n')
    .replaceAll(/[^A-Za-z0-9+/=]+/g, '');
  if (body.length < shortest || /(.)\1{19,}/.test(body) || new Set(body.slice(0, 400)).size < 16) return undefined;
  // What follows must be base64 at once, but for how a language writes a text of several lines; or it is somebody's code about keys.
  const bare = block
    .replaceAll(headers, '')
    .replaceAll(/\\+[nrt]/g, '')
    .replaceAll(/["'`]\s{0,80}[+.,]?\s{0,80}["'`]/g, '')
    .replaceAll(/^[\s#>|*/]+|[\s"'`#>|*\\]+/gm, '');
  if (!/^[A-Za-z0-9+/]{60}/.test(bare)) return undefined;
  const value = body.replaceAll('=', '');
  const kind = text.slice(start, end);
  if (/ENCRYPTED/.test(kind) || /Proc-Type: ?4, ?ENCRYPTED/.test(block) || isEncryptedOpenSsh(kind, body))
    return { value, end: stop, severity: 'medium', title: 'Private key under a password', validity: 'unknown' };
  const validity = expiredBeside(text, start, now) ? 'expired' : looksLikeKey(kind, body) ? 'well-formed' : 'unknown';
  return { value, end: stop, validity };
}

/** PROTOCOL.key of OpenSSH: `openssh-key-v1`, then the name of the cipher. */
function isEncryptedOpenSsh(kind: string, body: string): boolean {
  if (!kind.includes('OPENSSH')) return false;
  const bytes = Buffer.from(body.slice(0, 80), 'base64');
  if (bytes.toString('latin1', 0, 14) !== 'openssh-key-v1') return false;
  const length = bytes.length >= 19 ? bytes.readUInt32BE(15) : 0;
  return length > 0 && length < 40 && bytes.toString('latin1', 19, 19 + length) !== 'none';
}

/** A DER sequence whose length is what there is, or OpenSSH's magic. */
function looksLikeKey(kind: string, body: string): boolean {
  const bytes = Buffer.from(body, 'base64');
  if (kind.includes('OPENSSH')) return bytes.toString('latin1', 0, 14) === 'openssh-key-v1';
  if (bytes[0] !== 0x30) return false;
  const first = bytes[1] ?? 0;
  const width = first < 0x80 ? 0 : first & 0x7f;
  const length = width === 0 ? first : width <= 4 && bytes.length > 2 + width ? bytes.readUIntBE(2, width) : -1;
  return length > 0 && 2 + width + length === bytes.length;
}

/** Whether the file holds a certificate, and every one that it holds is over. */
function expiredBeside(text: string, start: number, now: Date): boolean {
  const near = text.slice(Math.max(0, start - longest), start + 2 * longest);
  let seen = 0;
  for (const [pem] of near.matchAll(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{64,16000}-----END CERTIFICATE-----/g)) {
    if (++seen > 5) break;
    try {
      if (Date.parse(new X509Certificate(pem).validTo) >= now.getTime()) return false;
    } catch {
      return false;
    }
  }
  return seen > 0;
}
