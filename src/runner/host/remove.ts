import { existsSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { WaybillError } from '../../kernel/error.ts';
import { runProgram } from './programs.ts';

/**
 * Removes what a job left. Its contents are hostile: links to elsewhere, folders without permissions, paths deeper than
 * PATH_MAX. `rm` and `chmod` walk with openat and follow no link within the tree; Node's own `rm` fails on deep paths.
 */
export async function removeTree(path: string, timeoutMs = 600_000): Promise<void> {
  const remove = (strict: boolean): Promise<void> => runProgram('rm', ['-rf', '--one-file-system', '--', path], { timeoutMs, strict });
  await remove(false);
  if (!existsSync(path)) return;
  // Somebody who is not root cannot enter folders of mode 000, though they are his own.
  if ((await lstat(path)).isDirectory()) await runProgram('chmod', ['-R', 'u+rwX', '--', path], { timeoutMs, strict: false });
  await remove(true);
  if (existsSync(path)) throw new WaybillError('INTERNAL', `${path} could not be removed`);
}
