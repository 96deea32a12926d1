import { stat } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import { isGap, type Coverage } from '../scan/coverage.ts';
import { folderSource } from '../scan/folder-source.ts';
import { gitText, type GitPlace } from '../scan/git/objects.ts';
import { findRepository } from '../scan/git/repository.ts';
import { gitTreeSource, gitWorkTreeSource } from '../scan/git/sources.ts';
import { memorySource, type TreeSource } from '../scan/tree-source.ts';
import type { CliContext } from './context.ts';

export type ScannedTree = {
  readonly source: TreeSource;
  /** Absolute: the folder, or that of the one file. */
  readonly folder: string;
  /** Where `.waybill/` is: the top of the work tree; outside of one, the folder. */
  readonly root: string;
  /** Only what Git sees is looked at. */
  readonly byGit: boolean;
  /** The same folder in a commit; an empty tree where it was not there. @throws WaybillError INVALID_INPUT for what is no commit */
  at(commit: string): Promise<TreeSource>;
};

/**
 * What a person means by a path: in a Git work tree what Git sees of it, elsewhere (or with `allFiles`) every file, and of one file just that.
 * @throws WaybillError NOT_FOUND
 */
export async function scannedTree(context: CliContext, where: string, allFiles: boolean): Promise<ScannedTree> {
  const { signal } = context;
  const target = path.resolve(context.cwd, where);
  const info = await stat(target).catch(() => undefined);
  if (!info) throw new WaybillError('NOT_FOUND', `${where}: there is no such file or folder`, { fix: 'Check the path.' });
  const folder = info.isDirectory() ? target : path.dirname(target);
  const place: GitPlace = { folder };
  const repository = await findRepository(place, signal).catch((error: unknown) => {
    // A folder can be looked at without git.
    if (isWaybillError(error, 'MISSING_PROGRAM')) return undefined;
    throw error;
  });
  const byGit = info.isDirectory() && repository?.root !== undefined && !allFiles;
  return {
    source: byGit ? gitWorkTreeSource(place) : folderSource(target),
    folder,
    root: repository?.root ?? folder,
    byGit,
    async at(commit) {
      if (!repository)
        throw new WaybillError('INVALID_INPUT', `${where} is in no Git repository, and has no ${commit}`, { fix: 'Leave out --base.' });
      const id = await nameOf(place, `${commit}^{commit}`, signal);
      if (id === undefined)
        throw new WaybillError('INVALID_INPUT', `${JSON.stringify(commit.slice(0, 200))} is no commit of this repository`, {
          fix: 'Give a branch, a tag or a commit that is here; fetch it first if it is not.',
        });
      const prefix = (await gitText(place, ['rev-parse', '--show-prefix'], signal)).toString('utf8').replace(/\n$/, '');
      const tree = await nameOf(place, `${id}:${prefix}`, signal);
      if (tree === undefined) return memorySource(`${prefix} in ${commit}, where it is not`, []);
      const source = gitTreeSource(place, tree);
      return info.isDirectory() ? source : only(source, path.basename(target));
    },
  };
}

/** That nothing was found in nothing must not look like good news. */
export function tellEmpty(context: CliContext, where: string, coverage: Pick<Coverage, 'files' | 'skipped'>, tree: ScannedTree): void {
  if (coverage.files > 0 || coverage.skipped.some(isGap)) return;
  const hint = tree.byGit ? ' that Git sees (--all-files looks at what it ignores too)' : '';
  context.note(`There is no lock file and no installed package in ${where}${hint}.`);
}

async function nameOf(place: GitPlace, name: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await gitText(place, ['rev-parse', '--verify', '--quiet', '--end-of-options', name], signal)).toString('latin1').trim();
  } catch (error) {
    if (isWaybillError(error, 'GIT_FAILED')) return undefined;
    throw error;
  }
}

function only(source: TreeSource, name: string): TreeSource {
  return {
    what: source.what,
    async *files(options) {
      for await (const file of source.files(options)) if (file.path === name) yield file;
    },
  };
}
