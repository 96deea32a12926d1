import { WaybillError } from './error.ts';

/** A full Git object name: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits. */
export type GitOid = string & { readonly __brand: 'GitOid' };

const pattern = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

export function isGitOid(text: string): text is GitOid {
  return pattern.test(text);
}

/** @throws WaybillError INVALID_INPUT */
export function parseGitOid(text: string): GitOid {
  if (!isGitOid(text)) throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 100))} is not a full Git object name`);
  return text;
}

export const zeroOid = '0'.repeat(40) as GitOid;
