import type { FileList, Reader } from '../dependencies/reader.ts';
import { lines } from './readers/os-packages.ts';
import { nothing } from './probes/probe.ts';

/** Of one file. */
export type FileSums = { readonly md5: string; readonly sha1: string };

/** The package that has installed a file. */
export type FileOwner = {
  readonly manager: FileList['manager'];
  readonly name: string;
  /** False: something else stands there now. */
  readonly unchanged: boolean;
};

const mib = 1024 * 1024;
const sums = /^var\/lib\/dpkg\/(?:info|status\.d)\/([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?\.md5sums$/;

/** deb-md5sums(5): every file of a package but its configuration. dpkg makes one for a package that has none; distroless images have them in `status.d`. */
export const dpkgSums: Reader = {
  what: 'the checksums of a package',
  wants: (path) => sums.test(path),
  limit: 32 * mib,
  read: (bytes, path) => ({ ...nothing, files: { manager: 'dpkg', package: sums.exec(path)?.[1] ?? '', text: bytes } }),
};

/**
 * Who has installed these files, and whether they are still what was installed. The checksums are the package managers' own (MD5, SHA-1): they tell a file that was
 * replaced, not one that somebody made to look like another. A path below `/usr` and one beside it are the same: whole systems have moved there (usrmerge).
 */
export function ownersOf(lists: Iterable<FileList>, files: ReadonlyMap<string, FileSums>): ReadonlyMap<string, FileOwner> {
  const owners = new Map<string, FileOwner>();
  if (files.size === 0) return owners;
  const wanted = Map.groupBy(files.keys(), unmoved);
  for (const list of lists)
    for (const { path, name, sum } of list.manager === 'dpkg' ? dpkgFiles(list.package, list.text) : apkFiles(list.text))
      for (const file of wanted.get(unmoved(path)) ?? []) {
        if (owners.get(file)?.unchanged) continue;
        const own = files.get(file)?.[list.manager === 'dpkg' ? 'md5' : 'sha1'];
        owners.set(file, { manager: list.manager, name, unchanged: own !== undefined && own === sum });
      }
  return owners;
}

const unmoved = (path: string) => path.replace(/^usr\/(?=(?:s?bin|lib[^/]*)\/)/, '');

type Listed = { readonly path: string; readonly name: string; readonly sum: string | undefined };

function* dpkgFiles(name: string, text: Buffer): Generator<Listed> {
  for (const line of lines(text)) {
    const [, sum, path] = /^([0-9a-f]{32}) [ *](.+)$/.exec(line) ?? [];
    if (sum !== undefined && path !== undefined) yield { path, name, sum };
  }
}

/** `P:` package, `F:` folder, `R:` file in it, `Z:` its checksum: `Q1` and SHA-1 in base64. */
function* apkFiles(text: Buffer): Generator<Listed> {
  let name = '';
  let folder = '';
  let file: string | undefined;
  let sum: string | undefined;
  for (const line of lines(text)) {
    const letter = line[1] === ':' ? line[0] : undefined;
    if (letter === 'Z' && line.startsWith('Z:Q1')) sum = Buffer.from(line.slice(4), 'base64').toString('hex');
    if (letter !== 'R' && letter !== 'F' && line !== '') {
      if (letter === 'P') name = line.slice(2);
      continue;
    }
    if (file !== undefined) yield { path: folder === '' ? file : `${folder}/${file}`, name, sum };
    file = letter === 'R' ? line.slice(2) : undefined;
    sum = undefined;
    if (letter === 'F') folder = line.slice(2);
  }
  if (file !== undefined) yield { path: folder === '' ? file : `${folder}/${file}`, name, sum };
}
