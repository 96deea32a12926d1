import { spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError } from '../../kernel/error.ts';
import { isGitOid, parseGitOid, type GitOid } from '../../kernel/git-oid.ts';
import type { Git } from './git.ts';

/** A commit as it names itself; nothing in it is proved but its parents and tree. */
export type CommitInfo = {
  readonly author: { readonly name: string; readonly email: string };
  /** Committer's date, ISO 8601 in UTC. */
  readonly committedAt: string;
  readonly title: string;
  readonly parents: readonly GitOid[];
  readonly tree: GitOid;
};

const archiveDeadline = 10 * 60_000;
const pathLimit = 4096;

/**
 * An uncompressed tar of the commit's tree, exactly: attributes in the tree change nothing (see `repositoryAttributes`), modes are
 * 0644 and 0755, every mtime is the commit's. Destroying the stream or aborting ends git; a failure of git is an error of the stream.
 */
export function archive(git: Git, folder: string, commit: GitOid, signal: AbortSignal): NodeJS.ReadableStream {
  const output = new PassThrough();
  const deadline = withDeadline(signal, archiveDeadline, 'git archive');
  const child = spawn('git', ['--git-dir', folder, 'archive', '--format=tar', checked(commit)], {
    cwd: '/',
    env: { ...git.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-2000);
  });
  const exited = new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => reject(new WaybillError('MISSING_PROGRAM', 'git', { cause })));
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new WaybillError('GIT_FAILED', `git archive (exit code ${code ?? 'none'}): ${words.trim()}`)),
    );
  });
  const copied = pipeline(child.stdout, output, { signal: deadline.signal, end: false });
  void Promise.all([copied, exited])
    .then(() => output.end())
    .catch((error: unknown) => output.destroy(deadline.signal.aborted ? asError(deadline.signal.reason) : asError(error)))
    .finally(() => {
      deadline[Symbol.dispose]();
      child.kill('SIGKILL');
    });
  return output;
}

/**
 * The content of a regular file; `undefined` when there is none at the path (or a folder, a symbolic link, a submodule).
 * @param path from the root of the tree, without leading slash @throws WaybillError LIMIT_EXCEEDED above `maxBytes`
 */
export async function readFile(
  git: Git,
  folder: string,
  commit: GitOid,
  path: string,
  options: { readonly maxBytes: number },
): Promise<Buffer | undefined> {
  if (!isPath(path)) return undefined;
  const { stdout } = await git.run(folder, ['ls-tree', '-z', '-l', '--full-tree', checked(commit), '--', path]);
  const [, mode = '', oid = '', size = ''] = /^(\d{6}) blob ([0-9a-f]+) +(\d+)\t/.exec(stdout) ?? [];
  if (mode !== '100644' && mode !== '100755') return undefined;
  if (Number(size) > options.maxBytes)
    throw new WaybillError('LIMIT_EXCEEDED', `${JSON.stringify(path)} has ${size} bytes, ${options.maxBytes} are allowed`);
  return git.bytes(folder, ['cat-file', 'blob', parseGitOid(oid)], options.maxBytes + 1);
}

/** Paths of all files below `prefix` (a folder, without slashes around it; `''` is the root), symbolic links too. Sorted as git does. */
export async function listFiles(git: Git, folder: string, commit: GitOid, prefix: string): Promise<string[]> {
  if (prefix !== '' && !isPath(prefix)) return [];
  const below = prefix === '' ? [] : ['--', `${prefix}/`];
  const { stdout } = await git.run(folder, ['ls-tree', '-r', '-z', '--name-only', '--full-tree', checked(commit), ...below]);
  return stdout.split('\0').slice(0, -1);
}

export async function treeOf(git: Git, folder: string, commit: GitOid): Promise<GitOid> {
  return git.oid(folder, ['rev-parse', '--verify', '--end-of-options', `${checked(commit)}^{tree}`]);
}

export async function commitInfo(git: Git, folder: string, commit: GitOid): Promise<CommitInfo> {
  const format = '--format=tformat:%T%n%P%n%an%n%ae%n%ct%n%s';
  const { stdout } = await git.run(folder, ['log', '-1', '--encoding=UTF-8', format, checked(commit), '--']);
  const [tree = '', parents = '', name = '', email = '', seconds = '', title = ''] = stdout.split('\n');
  return {
    author: { name, email },
    committedAt: new Date(Number(seconds) * 1000).toISOString(),
    title,
    parents: parents
      .split(' ')
      .filter((each) => each !== '')
      .map(parseGitOid),
    tree: parseGitOid(tree),
  };
}

/** The brand says so already; what becomes an argument of a program is looked at once more. */
function checked(commit: GitOid): GitOid {
  if (!isGitOid(commit)) throw new WaybillError('INVALID_INPUT', 'not a full Git object name');
  return commit;
}

function isPath(path: string): boolean {
  return (
    path !== '' &&
    path.length <= pathLimit &&
    !path.includes('\0') &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  );
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new WaybillError('CANCELLED', 'the archive was stopped', { cause: error });
}
