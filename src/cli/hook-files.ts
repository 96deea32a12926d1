import { chmod, lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError } from '../kernel/error.ts';

const mark = '# waybill hook 1';
const kept = 'pre-commit.before-waybill';

/** What `git commit` runs. Without the program it says no: a check that is gone without a word is none. */
export function hookScript(program: string): string {
  return `#!/bin/sh
${mark}: made by \`waybill hook install\`, removed by \`waybill hook uninstall\`.
hooks=$(dirname "$0")
if [ -x "$hooks/${kept}" ]; then
  "$hooks/${kept}" "$@" || exit
fi
waybill=${quoted(program)}
if [ ! -x "$waybill" ]; then
  waybill=$(command -v waybill) || {
    echo "waybill is not where it was (${program.replaceAll(/["$`\\]/g, '')}), so that what is committed was not searched for credentials." >&2
    echo "Install it again and run \\"waybill hook install\\", or leave it out this once: git commit --no-verify" >&2
    exit 1
  }
fi
exec "$waybill" scan secrets --staged
`;
}

/** For sh, whatever is in it. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Writes the hook; one that is there already is kept beside and run first. @returns whether one was kept */
export async function installHook(folder: string, program: string): Promise<{ readonly file: string; readonly kept: boolean }> {
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'pre-commit');
  const beside = path.join(folder, kept);
  const present = await kindOf(file);
  if (present === 'other') {
    if ((await kindOf(beside)) !== 'none')
      throw new WaybillError('CONFLICT', `${file} is not Waybill's, and ${kept} is there from an earlier installation`, {
        fix: `Look at both, and remove or rename ${kept}.`,
      });
    await rename(file, beside);
  }
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, hookScript(program), { mode: 0o755 });
  await chmod(fresh, 0o755);
  await rename(fresh, file);
  return { file, kept: (await kindOf(beside)) !== 'none' };
}

/** Removes the hook and puts back what was there before. @throws WaybillError NOT_FOUND when the hook is not Waybill's */
export async function uninstallHook(folder: string): Promise<{ readonly file: string; readonly restored: boolean }> {
  const file = path.join(folder, 'pre-commit');
  const beside = path.join(folder, kept);
  if ((await kindOf(file)) !== 'ours')
    throw new WaybillError('NOT_FOUND', `${file} is no hook of Waybill's`, { fix: 'Nothing was removed.' });
  if ((await kindOf(beside)) === 'none') {
    await rm(file);
    return { file, restored: false };
  }
  await rename(beside, file);
  return { file, restored: true };
}

async function kindOf(file: string): Promise<'none' | 'ours' | 'other'> {
  const info = await lstat(file).catch(() => undefined);
  if (!info) return 'none';
  if (!info.isFile()) return 'other';
  return (await readFile(file, 'utf8')).includes(mark) ? 'ours' : 'other';
}
