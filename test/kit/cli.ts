import { execa } from 'execa';
import path from 'node:path';
import type { Person } from '../../scripts/demo/person.ts';
import { root } from './waybill.ts';

export type Said = { readonly status: number; readonly out: string; readonly err: string };

export type CliOptions = {
  readonly cwd: string;
  /** Beside PATH, HOME and what a program needs to find its language. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly program?: string;
  readonly timeoutMs?: number;
};

/** `waybill ARGS` as somebody types it, with the two outputs apart. */
export async function cli(args: readonly string[], options: CliOptions): Promise<Said> {
  const done = await execa(options.program ?? path.join(root, 'bin', 'waybill'), args, {
    cwd: options.cwd,
    extendEnv: false,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: options.cwd, LANG: 'C.UTF-8', ...options.env },
    input: options.input ?? '',
    reject: false,
    timeout: options.timeoutMs ?? 60_000,
    stripFinalNewline: false,
  });
  return { status: done.exitCode ?? -1, out: done.stdout, err: done.stderr };
}

/** The variables with which a person's commands reach the server. */
export function loginOf(person: Person, url: string): Record<string, string> {
  return { WAYBILL_URL: url, WAYBILL_TOKEN: person.token.reveal() };
}
