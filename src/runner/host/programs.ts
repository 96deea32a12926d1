import { accessSync, constants } from 'node:fs';
import { execa } from 'execa';
import { WaybillError, messageOf } from '../../kernel/error.ts';

/** Only system folders: a program that a user put first in some PATH must not become part of the wall. */
const folders = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Name of the Debian package per program, for the message that says what to install. */
const packages = {
  bwrap: 'bubblewrap',
  slirp4netns: 'slirp4netns',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  ip: 'iproute2',
  mkfifo: 'coreutils',
  rm: 'coreutils',
  chmod: 'coreutils',
} as const;

export type Program = keyof typeof packages;

export function findProgram(name: Program): string | undefined {
  return folders.map((folder) => `${folder}/${name}`).find(isExecutable);
}

/** @throws WaybillError MISSING_PROGRAM */
export function needProgram(name: Program): string {
  const found = findProgram(name);
  if (!found) throw new WaybillError('MISSING_PROGRAM', `${name} was not found (Debian and Ubuntu: apt install ${packages[name]})`);
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // the question was whether it is there
  }
}

/**
 * Runs one of our own helpers to its end, with an empty environment. `strict: false` ignores its exit code.
 * @throws WaybillError INTERNAL with what it printed
 */
export async function runProgram(
  name: Program,
  args: readonly string[],
  options: { input?: string; signal?: AbortSignal; timeoutMs?: number; strict?: boolean } = {},
): Promise<void> {
  try {
    await execa(needProgram(name), args, {
      env: { LC_ALL: 'C', PATH: folders.join(':') },
      extendEnv: false,
      ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
      ...(options.signal ? { cancelSignal: options.signal } : {}),
      timeout: options.timeoutMs ?? 30_000,
      maxBuffer: 1024 * 1024,
      reject: options.strict ?? true,
    });
  } catch (error) {
    if (error instanceof WaybillError) throw error;
    throw new WaybillError('INTERNAL', messageOf(error), { cause: error });
  }
}
