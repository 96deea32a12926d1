import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError } from '../kernel/error.ts';
import { parseVex, vexFolder, type VexDocument } from '../scan/advisories/vex-document.ts';
import { noWaivers, waiversPath, type Waivers } from '../scan/waivers.ts';

const mostDocuments = 1_000;

/** The waivers of a work tree; none when it has no file of them. @throws WaybillError INVALID_INPUT for a file that is wrong */
export async function waiversOf(root: string): Promise<Waivers> {
  const text = await readIfThere(path.join(root, waiversPath), waiversPath);
  if (text === undefined) return noWaivers;
  // Loaded when it is needed: most folders have no such file, and reading YAML takes as long as a small scan.
  return (await import('../scan/parse-waivers.ts')).parseWaivers(text);
}

/** The VEX documents of a work tree. @throws WaybillError INVALID_INPUT for one that is wrong, LIMIT_EXCEEDED */
export async function vexOfTree(root: string): Promise<readonly VexDocument[]> {
  const names = await readdir(path.join(root, vexFolder)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw unreadable(vexFolder, error);
  });
  const files = names.filter((name) => name.endsWith('.json')).sort();
  if (files.length > mostDocuments)
    throw new WaybillError('LIMIT_EXCEEDED', `${vexFolder} has ${files.length} files, more than ${mostDocuments}`);
  const documents: VexDocument[] = [];
  for (const name of files) documents.push(await readVex(path.join(root, vexFolder, name), `${vexFolder}/${name}`));
  return documents;
}

/** @throws WaybillError NOT_FOUND, INVALID_INPUT */
export async function readVex(file: string, shown: string): Promise<VexDocument> {
  const text = await readIfThere(file, shown);
  if (text === undefined) throw new WaybillError('NOT_FOUND', `${shown}: there is no such file`, { fix: 'Check the path.' });
  return parseVex(text, shown);
}

async function readIfThere(file: string, shown: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw unreadable(shown, error);
  });
}

function unreadable(shown: string, cause: NodeJS.ErrnoException): WaybillError {
  return new WaybillError('INVALID_INPUT', `${shown} cannot be read: ${cause.code ?? cause.message}`, { cause });
}
