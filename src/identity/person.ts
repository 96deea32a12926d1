import { WaybillError } from '../kernel/error.ts';
import { isName, type PersonId } from '../kernel/ids.ts';
import type { Role } from './roles.ts';

export type Person = {
  readonly id: PersonId;
  /** For people to read; the id when none was given. */
  readonly name: string;
  /** Normalized by `normalizeEmail`, sorted; each belongs to one person only. */
  readonly emails: readonly string[];
  readonly role: Role;
  /** False after removal: known by name and address, but may do nothing. */
  readonly active: boolean;
  readonly createdAt: string;
};

/** A token without its text, which exists nowhere but with its owner. */
export type Token = {
  readonly id: string;
  readonly person: PersonId;
  readonly label: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
};

/** @throws WaybillError INVALID_INPUT */
export function parsePersonId(text: string): PersonId {
  if (!isName(text))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 80))} is not a person's name`, {
      fix: 'Use at most 63 lower-case letters and digits, with single -, _ or . between them.',
    });
  return text as PersonId;
}

/** The form in which addresses are compared: trimmed, NFC, lower case. Takes anything that a commit may hold. */
export function normalizeEmail(text: string): string {
  return text.trim().normalize('NFC').toLowerCase();
}

const email = /^[^\s@<>,;\p{Cc}]{1,64}@[^\s@<>,;\p{Cc}]{1,190}$/u;

/** @throws WaybillError INVALID_INPUT */
export function parseEmail(text: string): string {
  const normal = normalizeEmail(text);
  if (!email.test(normal)) throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 80))} is not an e-mail address`);
  return normal;
}

/** One line of printable text. @throws WaybillError INVALID_INPUT */
export function parseLine(text: string, what: string): string {
  const line = text.trim();
  if (line === '' || line.length > 100 || /[\p{Cc}<>]/u.test(line))
    throw new WaybillError('INVALID_INPUT', `${what} must be 1 to 100 printable characters without < and >`);
  return line;
}
