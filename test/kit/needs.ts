import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

/** The path of a program: a variable of the environment that names it goes before PATH. */
export async function findProgram(name: string, variable?: string): Promise<string | undefined> {
  const named = variable === undefined ? undefined : process.env[variable];
  const folders = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter);
  for (const file of [...(named === undefined ? [] : [named]), ...folders.map((folder) => join(folder, name))]) {
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return file;
  }
  return undefined;
}

/** Skips the test aloud when a program is missing; the end of `npm run test:e2e` repeats the line. */
export async function lacks(t: TestContext, ...programs: readonly string[]): Promise<boolean> {
  for (const program of programs) {
    if ((await findProgram(program)) !== undefined) continue;
    skip(t, `${program} is not installed`);
    return true;
  }
  return false;
}

/** Says aloud why a test is skipped. */
export function skip(t: TestContext, why: string): void {
  console.warn(`SKIPPED: ${t.name}: ${why}`);
  t.skip(why);
}
