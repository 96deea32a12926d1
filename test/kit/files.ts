import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';

/** Files below a folder that hold one of the texts, relative; with `mode`, those that have exactly it. */
export async function filesWith(folder: string, texts: readonly string[], only: { readonly mode?: number } = {}): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const content = await readFile(file);
    if (!texts.some((text) => content.includes(text))) continue;
    if (only.mode === undefined || ((await stat(file)).mode & 0o777) === only.mode) found.push(path.relative(folder, file));
  }
  return found.sort();
}
