import { randomBytes } from 'node:crypto';
import { access, chmod, constants, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WaybillError } from '../../kernel/error.ts';
import type { RepositoryName } from '../../kernel/ids.ts';
import { repositoryAttributes } from './git-config.ts';
import type { Git } from './git.ts';

const hook = '#!/bin/sh\nexec "$WAYBILL_NODE" "$WAYBILL_HOOK_RELAY" proc-receive\n';

export function folderOf(root: string, name: RepositoryName): string {
  return join(root, `${name}.git`);
}

/** Makes an empty bare repository, complete before it gets its name. What lies there without a row is moved aside. */
export async function createFolder(git: Git, root: string, name: RepositoryName, protectedBranch: string): Promise<void> {
  const fresh = join(root, `.new-${randomBytes(6).toString('hex')}.git`);
  try {
    await git.run(fresh, ['init', '--quiet', '--bare', '--template=', `--initial-branch=${protectedBranch}`]);
    await git.run(fresh, ['config', 'receive.procReceiveRefs', 'refs']);
    await ensureInstalled(fresh);
    await moveAside(root, name);
    await rename(fresh, folderOf(root, name));
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Called before every push, as git passes over a hook that it cannot execute. (Even then a push would be refused: refs under
 * `receive.procReceiveRefs` without the hook fail. Two locks, so that one may break.)
 * @throws WaybillError GIT_FAILED when the hook cannot be made executable
 */
export async function ensureInstalled(folder: string): Promise<void> {
  // Git knows a repository by these; a copy of files alone (a backup) brings no empty folder along.
  for (const name of ['objects', 'refs']) await mkdir(join(folder, name), { recursive: true });
  await ensureFile(join(folder, 'hooks'), 'proc-receive', hook, 0o755);
  await ensureFile(join(folder, 'info'), 'attributes', repositoryAttributes, 0o644);
  try {
    await access(join(folder, 'hooks', 'proc-receive'), constants.X_OK);
  } catch (cause) {
    throw new WaybillError('GIT_FAILED', 'the hook of the repository cannot be executed', {
      cause,
      fix: 'Put the repositories on a file system that is not mounted with noexec.',
    });
  }
}

async function ensureFile(folder: string, name: string, content: string, mode: number): Promise<void> {
  const file = join(folder, name);
  const present = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (present !== content) {
    await mkdir(folder, { recursive: true });
    const fresh = `${file}.${randomBytes(4).toString('hex')}`;
    await writeFile(fresh, content, { mode });
    await rename(fresh, file);
  }
  await chmod(file, mode);
}

/** Moves `<name>.git` to `.removed/<name>-<random>.git`; nothing is deleted. No folder is no error. */
export async function moveAside(root: string, name: RepositoryName): Promise<void> {
  await mkdir(join(root, '.removed'), { recursive: true });
  try {
    await rename(folderOf(root, name), join(root, '.removed', `${name}-${randomBytes(6).toString('hex')}.git`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
