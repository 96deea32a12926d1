import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isRepositoryPath } from '../oci/reference.ts';

/** An upload that an earlier process began: its file holds the first `size` bytes, in order. `touchedAt` in milliseconds since the epoch. */
export type UnfinishedUpload = {
  readonly id: string;
  readonly path: string;
  readonly repository: string;
  readonly size: number;
  readonly touchedAt: number;
};

const sessionSchema = z.object({ repository: z.string().refine(isRepositoryPath) });
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Beside the bytes of an upload: whose they are. */
export const sessionFile = (path: string): string => `${path}.json`;

/**
 * Not synced: it outlives the process, not the machine. After a loss of power a client may find its upload gone, or shorter, and is told so;
 * bytes that the disk never got do not have the digest that it asks for in the end.
 */
export async function writeSession(path: string, repository: string): Promise<void> {
  try {
    await writeFile(sessionFile(path), JSON.stringify({ repository }), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    await rm(sessionFile(path), { force: true });
    throw error;
  }
}

/** What can go on in a folder of uploads; everything else in it is removed. */
export async function findUnfinished(folder: string): Promise<UnfinishedUpload[]> {
  const names = new Set(await readdir(folder));
  const found: UnfinishedUpload[] = [];
  for (const id of names) {
    const path = join(folder, id);
    if (id.endsWith('.json') && names.has(id.slice(0, -'.json'.length))) continue;
    const repository = uuid.test(id) && names.has(`${id}.json`) ? await readSession(path) : undefined;
    const info = repository === undefined ? undefined : await stat(path);
    if (repository !== undefined && info?.isFile()) found.push({ id, path, repository, size: info.size, touchedAt: info.mtimeMs });
    else await Promise.all([path, sessionFile(path)].map((each) => rm(each, { recursive: true, force: true })));
  }
  return found;
}

/** Undefined when the crash came before it was whole. */
async function readSession(path: string): Promise<string | undefined> {
  try {
    return sessionSchema.parse(JSON.parse(await readFile(sessionFile(path), 'utf8'))).repository;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}
