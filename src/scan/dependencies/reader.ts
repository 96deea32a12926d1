import { messageOf } from '../../kernel/error.ts';
import type { Component } from '../component.ts';
import type { Skipped } from '../coverage.ts';

/** What one file says. Projects are named by their folder: `./`, `./web`. */
export type Reading = {
  readonly components: readonly Component[];
  /** Who needs what directly: purls and projects. */
  readonly needs: readonly (readonly [from: string, to: readonly string[]])[];
  readonly skipped: readonly Skipped[];
  /** It says what is there, and not what for: a lock file that names the same knows better. */
  readonly installed?: true;
  /** It names libraries without their versions: a gap, unless one of these files is there. */
  readonly lacks?: Lack;
  /** What it says counts only where a file beside it lacks it: go.sum also names what was only looked at. */
  readonly fills?: true;
  /** Which files a package manager has installed, when it says so. */
  readonly files?: FileList;
};

/** What a package manager wrote down about the files that it has installed, as it stands there. */
export type FileList =
  | { readonly manager: 'dpkg'; readonly package: string; readonly text: Buffer }
  | { readonly manager: 'apk'; readonly text: Buffer };

export type Lack = {
  /** Base names of what locks it, beside it. */
  readonly locks: RegExp;
  /** Or in a folder above: workspaces have one lock file. */
  readonly above: boolean;
  /** Why it is a gap, and what to do. */
  readonly detail: string;
};

/** Reads one kind of file. Pure: bytes in, components out. */
export type Reader = {
  /** As in messages: `package-lock.json`. */
  readonly what: string;
  wants(path: string): boolean;
  /** Bytes; a larger file is a gap. */
  readonly limit: number;
  /** @throws anything, for what it cannot understand: that becomes a gap with the message */
  read(bytes: Buffer, path: string): Reading;
};

/** `./` and `./web` for files in the root and in `web/`. */
export function projectOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? './' : `./${path.slice(0, slash)}`;
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Of what a reader throws: one line. Parsers quote what they could not read, over several. */
export function whyUnread(error: unknown): string {
  if (error instanceof RangeError && error.message.startsWith('Maximum call stack')) return 'it is nested too deep';
  return (messageOf(error).split('\n')[0] ?? '').slice(0, 300);
}

const mib = 1024 * 1024;
/** The largest lock files of public repositories have some megabytes. */
export const lockLimit = 16 * mib;

/** A file that is known by its name and not read. */
export function unread(path: string, detail: string): Reading {
  return { components: [], needs: [], skipped: [{ path, reason: 'unknown-format', detail }] };
}
