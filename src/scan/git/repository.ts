import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import { gitText, type GitPlace } from './objects.ts';

export type GitRepository = {
  /** Of the work tree; undefined in a bare repository. */
  readonly root?: string;
  /** `.git`, shared by all work trees. */
  readonly folder: string;
  /** Of an object name in hexadecimal. */
  readonly digits: 40 | 64;
};

/** The repository that a folder is in; undefined: in none. @throws WaybillError MISSING_PROGRAM, GIT_FAILED */
export async function findRepository(place: GitPlace, signal: AbortSignal): Promise<GitRepository | undefined> {
  const ask = async (...args: string[]) => (await gitText(place, ['rev-parse', ...args], signal)).toString('utf8').replace(/\n$/, '');
  let folder: string;
  try {
    folder = await ask('--path-format=absolute', '--git-common-dir');
  } catch (error) {
    if (isWaybillError(error, 'GIT_FAILED') && /not a git repository/i.test(error.detail)) return undefined;
    throw error;
  }
  const digits = (await ask('--show-object-format')) === 'sha256' ? 64 : 40;
  const bare = (await ask('--is-bare-repository')) === 'true';
  return { folder, digits, ...(bare ? {} : { root: await ask('--path-format=absolute', '--show-toplevel') }) };
}

/** First commits of what is checked out; none before the first one. */
export async function rootCommits(place: GitPlace, signal: AbortSignal, revision = 'HEAD'): Promise<readonly string[]> {
  try {
    return (await gitText(place, ['rev-list', '--max-parents=0', revision, '--'], signal))
      .toString('latin1')
      .split('\n')
      .filter((line) => line !== '');
  } catch (error) {
    if (isWaybillError(error, 'GIT_FAILED')) return [];
    throw error;
  }
}

/** `A..B`, `A...B` or one name, which means from it to HEAD. @throws WaybillError INVALID_INPUT */
export async function parseRange(
  place: GitPlace,
  text: string,
  signal: AbortSignal,
): Promise<{ readonly base: string; readonly head: string }> {
  const [, from = '', dots, to = ''] = /^(.+?)(?:(\.{2,3})(.*))?$/s.exec(text) ?? [];
  if (from === '' || from.startsWith('-') || to.startsWith('-'))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 200))} is no range of commits`, {
      fix: 'Give it like main..HEAD.',
    });
  const commit = async (name: string) =>
    (await gitText(place, ['rev-parse', '--verify', '--end-of-options', `${name}^{commit}`], signal)).toString('latin1').trim();
  const [base, head] = [await commit(from), await commit(to === '' ? 'HEAD' : to)];
  if (dots !== '...') return { base, head };
  return { base: (await gitText(place, ['merge-base', base, head], signal)).toString('latin1').trim(), head };
}
