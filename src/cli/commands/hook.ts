import path from 'node:path';
import type { Command } from 'commander';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';

/** `waybill hook install` and `uninstall`: credentials are found before they are committed. */
export function hookCommands(program: Command, context: CliContext): void {
  const hook = program.command('hook').description('Look for credentials in what is staged, whenever something is committed here');
  hook
    .command('install')
    .description('Add the pre-commit hook; one that is there is kept and run first')
    .action(async () => {
      const folder = await hooksFolder(context);
      const { installHook } = await import('../hook-files.ts');
      const { file, kept } = await installHook(folder, path.join(import.meta.dirname, '..', '..', '..', 'bin', 'waybill'));
      context.out(
        `${file} looks at what is staged from now on${kept ? ', after the hook that was there' : ''}. Once without it: git commit --no-verify`,
      );
    });
  hook
    .command('uninstall')
    .description('Remove it, and put back the one that was there')
    .action(async () => {
      const { uninstallHook } = await import('../hook-files.ts');
      const { file, restored } = await uninstallHook(await hooksFolder(context));
      context.out(restored ? `${file} is again what it was before.` : `${file} is removed.`);
    });
}

/** Where Git looks for hooks here (core.hooksPath counts). One that other repositories share is not touched. */
async function hooksFolder(context: CliContext): Promise<string> {
  const { findRepository } = await import('../../scan/git/repository.ts');
  const { gitText } = await import('../../scan/git/objects.ts');
  const place = { folder: context.cwd };
  const repository = await findRepository(place, context.signal);
  if (!repository) throw new WaybillError('INVALID_INPUT', `${context.cwd} is in no Git repository`, { fix: 'Go to a repository first.' });
  const folder = (await gitText(place, ['rev-parse', '--path-format=absolute', '--git-path', 'hooks'], context.signal))
    .toString('utf8')
    .trim();
  const inside = [repository.folder, repository.root].some((root) => root !== undefined && !path.relative(root, folder).startsWith('..'));
  if (!inside)
    throw new WaybillError('CONFLICT', `core.hooksPath is ${folder}, which other repositories use too`, {
      fix: `Add to its pre-commit: waybill scan secrets --staged`,
    });
  return folder;
}
