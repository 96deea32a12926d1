import { opendir, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import { knownEcosystems, splitEcosystem } from './ecosystems.ts';
import type { RecordFiles } from './record-files.ts';
import type { AdvisorySource } from './source.ts';
import { zipRecords } from './zip-records.ts';

const deepest = 12;

/**
 * A folder as OSV's exports are laid out (`npm/all.zip`), or with the files themselves (`npm/….json`), or one with files of several ecosystems, however deep, like a
 * clone of somebody's advisories. Symbolic links are not followed.
 * @param asOf when it is known to be current; by default as old as its archives say, and for single files their newest
 */
export function folderSource(folder: string, { asOf }: { readonly asOf?: Date } = {}): AdvisorySource {
  const of = (ecosystem: string) => path.join(folder, encodeURIComponent(ecosystem));

  async function places(): Promise<ReadonlyMap<string, 'archive' | 'files'>> {
    const found = new Map<string, 'archive' | 'files'>();
    for (const name of await foldersIn(folder)) {
      const ecosystem = decode(name);
      if (!knownEcosystems.includes(splitEcosystem(ecosystem).base) || ecosystem.includes(':')) continue;
      found.set(ecosystem, (await isFile(path.join(of(ecosystem), 'all.zip'))) ? 'archive' : 'files');
    }
    return found;
  }

  return {
    name: path.resolve(folder),
    async ecosystems() {
      const found = await places();
      // Files of whatever ecosystem: only reading them tells of which.
      return found.size > 0 ? [...found.keys()] : undefined;
    },
    async fetch({ ecosystem, known }) {
      const found = await places();
      const kind = found.get(ecosystem);
      if (found.size > 0 && kind === undefined)
        throw new WaybillError('NOT_FOUND', `${folder} has no folder ${encodeURIComponent(ecosystem)} with advisories`, {
          fix: 'Name other ecosystems with --ecosystem, or another folder with --from.',
        });
      if (kind === 'archive') {
        const file = path.join(of(ecosystem), 'all.zip');
        const { mtime, size } = await stat(file);
        const etag = `${size}-${mtime.getTime()}`;
        const current = asOf ?? mtime;
        return known?.etag === etag
          ? { outcome: 'unchanged', current }
          : { outcome: 'new', records: zipRecords(file), validators: { etag }, current };
      }
      const root = kind === 'files' ? of(ecosystem) : folder;
      return { outcome: 'new', records: jsonRecords(root), validators: {}, current: asOf ?? (await newest(root)) };
    },
  };
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    // A name that is no encoding is that of no ecosystem.
    return name;
  }
}

async function foldersIn(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (cause) {
    throw new WaybillError('NOT_FOUND', `${folder}: ${messageOf(cause)}`, { cause, fix: 'Name a folder with advisories.' });
  }
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

async function* jsonFiles(folder: string, depth = 0): AsyncGenerator<string> {
  if (depth > deepest) return;
  for await (const entry of await opendir(folder)) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== '.git') yield* jsonFiles(file, depth + 1);
    else if (entry.isFile() && entry.name.endsWith('.json')) yield file;
  }
}

function jsonRecords(folder: string): RecordFiles {
  return async function* records(limits, signal) {
    let count = 0;
    for await (const file of jsonFiles(folder)) {
      signal.throwIfAborted();
      count++;
      if (count > limits.entries) throw new WaybillError('LIMIT_EXCEEDED', `the folder has more than ${limits.entries} files`);
      const { size } = await stat(file);
      const name = path.relative(folder, file);
      yield {
        name,
        content: size > limits.recordBytes ? { problem: `it is larger than ${limits.recordBytes} bytes` } : await readFile(file),
      };
    }
  };
}

async function newest(folder: string): Promise<Date> {
  let latest = 0;
  for await (const file of jsonFiles(folder)) latest = Math.max(latest, (await stat(file)).mtimeMs);
  return new Date(latest);
}
