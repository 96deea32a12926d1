import { execa } from 'execa';
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError } from '../kernel/error.ts';
import { parseGitOid, type GitOid } from '../kernel/git-oid.ts';
import { makeGit } from '../source/local/git.ts';
import { programPath, repositoryAttributes } from '../source/local/git-config.ts';
import { archive, commitInfo, readFile } from '../source/local/reading.ts';

/** One tree of the repository that the user stands in, read exactly as the server reads one of its own. */
export type Checkout = {
  /** Top folder of the working tree. */
  readonly folder: string;
  /** Undefined for the working tree as it lies there. */
  readonly commit?: GitOid;
  /** Of the commit; for a working tree, of the commit that it started from. */
  readonly committedAt: Date;
  /** URL of `origin`, without a user's name or password in it; undefined where there is none. */
  readonly origin?: string;
  archive(signal: AbortSignal): Promise<NodeJS.ReadableStream>;
  readFile(file: string, maxBytes: number): Promise<Buffer | undefined>;
};

/**
 * Opens a commit of the checkout, or its working tree: what git knows or would add, ignored files left out. Attributes and configuration of
 * the user's own change nothing: git works in a bare repository of our own that borrows the checkout's objects.
 * @param scratch a folder of ours that outlives the result
 * @throws WaybillError NOT_FOUND outside of a repository or for a revision that does not exist, GIT_FAILED
 */
export async function openCheckout(options: {
  readonly cwd: string;
  readonly revision: string | 'worktree';
  readonly scratch: string;
  readonly signal: AbortSignal;
}): Promise<Checkout> {
  const { cwd, revision, signal } = options;
  const own = async (args: readonly string[], env: Record<string, string> = {}): Promise<string | undefined> => {
    const result = await execa('git', args, { cwd, env, reject: false, cancelSignal: signal, timeout: 120_000, stdin: 'ignore' });
    signal.throwIfAborted();
    if (result.code === 'ENOENT') throw new WaybillError('MISSING_PROGRAM', 'git');
    return result.exitCode === 0 ? result.stdout : undefined;
  };
  const folder = await own(['rev-parse', '--show-toplevel']);
  const objects = await own(['rev-parse', '--path-format=absolute', '--git-path', 'objects']);
  if (folder === undefined || objects === undefined)
    throw new WaybillError('NOT_FOUND', `${cwd} is not in a Git repository`, { fix: 'Go to the checkout of a repository.' });

  const bare = path.join(options.scratch, 'checkout.git');
  for (const each of ['objects/info', 'refs/heads', 'info']) await mkdir(path.join(bare, each), { recursive: true });
  await writeFile(path.join(bare, 'HEAD'), 'ref: refs/heads/main\n');
  await writeFile(path.join(bare, 'objects/info/alternates'), `${await realpath(objects)}\n`);
  await writeFile(path.join(bare, 'info/attributes'), repositoryAttributes);
  const git = makeGit(programPath, signal);

  const asked = revision === 'worktree' ? 'HEAD' : revision;
  const found = await own(['rev-parse', '--verify', '--quiet', '--end-of-options', `${asked}^{commit}`]);
  if (found === undefined && revision !== 'worktree')
    throw new WaybillError('NOT_FOUND', `there is no commit ${JSON.stringify(revision)} here`, {
      fix: 'git log lists those that there are.',
    });
  const commit = found === undefined ? undefined : parseGitOid(found);
  const info = commit && (await commitInfo(git, bare, commit));
  let tree = commit;
  if (revision === 'worktree') {
    const env = {
      GIT_INDEX_FILE: path.join(bare, 'index'),
      GIT_OBJECT_DIRECTORY: path.join(bare, 'objects'),
      GIT_ALTERNATE_OBJECT_DIRECTORIES: objects,
    };
    const added = await own(['-C', folder, 'add', '--all', '.'], env);
    const written = added === undefined ? undefined : await own(['-C', folder, 'write-tree'], env);
    if (written === undefined)
      throw new WaybillError('GIT_FAILED', 'the working tree could not be read (git add --all, into an index of our own)');
    tree = parseGitOid(written);
  }
  if (tree === undefined) throw new WaybillError('NOT_FOUND', 'there is no commit here yet');
  const source = tree;
  const origin = withoutUser(await own(['config', '--get', 'remote.origin.url']));
  return {
    folder,
    ...(revision === 'worktree' || commit === undefined ? {} : { commit }),
    committedAt: info ? new Date(info.committedAt) : new Date(0),
    ...(origin === undefined ? {} : { origin }),
    archive: async (each) => archive(git, bare, source, each),
    readFile: (file, maxBytes) => readFile(git, bare, source, file, { maxBytes }),
  };
}

function withoutUser(url: string | undefined): string | undefined {
  if (url === undefined || url === '') return undefined;
  if (!URL.canParse(url)) return url;
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  return parsed.href;
}
