import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { execa, ExecaError } from 'execa';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import { parseGitOid, type GitOid } from '../../kernel/git-oid.ts';
import { gitEnvironment } from './git-config.ts';

const timeout = 60_000;
const maxOutput = 16 * 1024 * 1024;

export type GitResult = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

export type GitCall = {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Exit codes that are answers, not failures; 0 is always one. */
  readonly answers?: readonly number[];
};

/** Short git commands in bare repositories: argument arrays, an environment of their own, a deadline, a limit on the output. */
export type Git = {
  /** @throws WaybillError GIT_FAILED, LIMIT_EXCEEDED, DEADLINE_EXCEEDED, CANCELLED, MISSING_PROGRAM */
  run(folder: string, args: readonly string[], call?: GitCall): Promise<GitResult>;
  /** Standard output as bytes. @throws WaybillError like `run`, LIMIT_EXCEEDED above `maxBytes` */
  bytes(folder: string, args: readonly string[], maxBytes: number): Promise<Buffer>;
  /** Standard output of a command that prints one object name. */
  oid(folder: string, args: readonly string[], call?: GitCall): Promise<GitOid>;
  readonly environment: Readonly<Record<string, string>>;
};

/** @param path where programs are looked for; @param signal ends every call */
export function makeGit(path: string, signal: AbortSignal): Git {
  const environment = gitEnvironment(path);
  const run = async (folder: string, args: readonly string[], call: GitCall = {}): Promise<GitResult> => {
    const result = await execa('git', ['--git-dir', folder, ...args], {
      cwd: '/',
      env: { ...environment, ...call.env },
      extendEnv: false,
      input: call.input ?? '',
      timeout,
      cancelSignal: signal,
      maxBuffer: maxOutput,
      stripFinalNewline: false,
      reject: false,
    });
    const answered = result.exitCode === 0 || (result.exitCode !== undefined && call.answers?.includes(result.exitCode));
    if (!answered || result.exitCode === undefined || result.isMaxBuffer || result.timedOut || result.isCanceled)
      throw failure(args, result);
    return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
  };
  return {
    run,
    environment,
    async bytes(folder, args, maxBytes) {
      const result = await execa('git', ['--git-dir', folder, ...args], {
        cwd: '/',
        env: environment,
        extendEnv: false,
        input: '',
        timeout,
        cancelSignal: signal,
        maxBuffer: { stdout: maxBytes, stderr: 64 * 1024 },
        encoding: 'buffer',
        stripFinalNewline: false,
        reject: false,
      });
      if (result.failed) throw failure(args, { ...result, stderr: Buffer.from(result.stderr).toString('utf8') });
      return Buffer.from(result.stdout);
    },
    async oid(folder, args, call) {
      return parseGitOid((await run(folder, args, call)).stdout.trim());
    },
  };
}

type Failed = {
  readonly exitCode?: number | undefined;
  readonly stderr?: string;
  readonly timedOut?: boolean;
  readonly isCanceled?: boolean;
  readonly isMaxBuffer?: boolean;
  readonly code?: string | undefined;
};

function failure(args: readonly string[], result: Failed): WaybillError {
  const what = `git ${args[0] ?? ''}`;
  const cause = result instanceof ExecaError ? result : undefined;
  if (result.timedOut) return new WaybillError('DEADLINE_EXCEEDED', `${what} took longer than ${timeout} ms`, { cause });
  if (result.isCanceled) return new WaybillError('CANCELLED', `${what} was stopped`, { cause });
  if (result.isMaxBuffer) return new WaybillError('LIMIT_EXCEEDED', `${what} printed more than is allowed`, { cause });
  if (result.code === 'ENOENT') return new WaybillError('MISSING_PROGRAM', 'git', { cause });
  const words = (result.stderr ?? '').trim().slice(0, 2000);
  return new WaybillError('GIT_FAILED', `${what} (exit code ${result.exitCode ?? 'none'})${words === '' ? '' : `: ${words}`}`, { cause });
}

/**
 * The path of `git-http-backend`, after a look at git's version: `merge-tree --write-tree` came with 2.38.
 * @throws WaybillError MISSING_PROGRAM
 */
export async function findHttpBackend(path: string): Promise<string> {
  const fix = 'Install git 2.38 or newer (on Debian: apt install git).';
  const ask = async (argument: string): Promise<string> => {
    try {
      const { stdout } = await execa('git', [argument], { cwd: '/', env: gitEnvironment(path), extendEnv: false, timeout: 10_000 });
      return stdout.trim();
    } catch (cause) {
      throw new WaybillError('MISSING_PROGRAM', `git does not start: ${messageOf(cause)}`, { cause, fix });
    }
  };
  const version = await ask('--version');
  const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) * 1000 + Number(minor) < 2038)
    throw new WaybillError('MISSING_PROGRAM', `git 2.38 or newer; ${JSON.stringify(version.slice(0, 80))} is here`, { fix });
  const backend = join(await ask('--exec-path'), 'git-http-backend');
  try {
    await access(backend);
  } catch (cause) {
    throw new WaybillError('MISSING_PROGRAM', `git-http-backend (looked for ${backend})`, { cause, fix });
  }
  return backend;
}
