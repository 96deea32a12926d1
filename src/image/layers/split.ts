import { createHash } from 'node:crypto';
import type { LayerEntry } from './walk.ts';

/** Entries that become one layer. `name` is there when the tree was split. */
export type LayerPart = { readonly name?: string; readonly entries: readonly LayerEntry[] };

const mebibyte = 2 ** 20;
/** Dependencies below this size are not worth a layer of their own. */
const worthALayer = mebibyte;
/** From this size on they are spread over several layers, so that one changed package changes one of them. */
const worthSpreading = 32 * mebibyte;
const spread = 8;

/**
 * Splits the entries of a layer into dependencies and the rest, so that an unchanged dependency set is an unchanged layer. Which layer a
 * package goes to depends on its name alone. The file system that the layers make together is the same, whether it is split or not:
 * every part has the folders above its entries, with the same attributes.
 * @param most how many layers there may be
 */
export function splitEntries(entries: readonly LayerEntry[], most: number): LayerPart[] {
  const packages = entries.map((entry) => packageOf(entry.path));
  const sizes = new Map<string, number>();
  let dependencies = 0;
  let rest = 0;
  for (const [index, entry] of entries.entries()) {
    if (entry.type === 'folder') continue;
    const size = entry.type === 'file' ? entry.file.size : 0;
    const found = packages[index];
    if (found === undefined) rest += 1;
    else {
      dependencies += size;
      sizes.set(found.name, (sizes.get(found.name) ?? 0) + size);
    }
  }
  const layers = dependencies >= worthSpreading && most > spread ? spread : 1;
  if (dependencies < worthALayer || (layers === 1 && rest === 0) || most < 2) return [{ entries }];
  const buckets = new Map<string, number>();
  const groups = packages.map((found) => {
    if (!found || layers === 1) return found && 0;
    // A package that is much larger than its share goes by its own folders.
    const large = (sizes.get(found.name) ?? 0) > (2 * dependencies) / layers;
    const name = large ? `${found.name}/${found.inside}` : found.name;
    let bucket = buckets.get(name);
    if (bucket === undefined) buckets.set(name, (bucket = bucketOf(name, layers)));
    return bucket;
  });
  return partsOf(entries, groups, layers);
}

function partsOf(entries: readonly LayerEntry[], groups: readonly (number | undefined)[], layers: number): LayerPart[] {
  const parents = parentsOf(entries);
  const inner = new Set(parents);
  /** A bit for each part that an entry belongs to. What is in the rest comes last, above the dependencies: it changes most often. */
  const memberships = new Uint16Array(entries.length);
  for (const [index, entry] of entries.entries()) {
    if (entry.type === 'folder' && inner.has(index)) continue;
    const bit = 1 << (groups[index] ?? layers);
    // With the folders above it; where one is there already, so are those above that.
    for (let at: number | undefined = index; at !== undefined; at = parents[at]) {
      const before = memberships[at] ?? 0;
      if ((before & bit) !== 0) break;
      memberships[at] = before | bit;
    }
  }
  return Array.from({ length: layers + 1 }, (_, part) => {
    const name = part === layers ? 'rest' : layers === 1 ? 'dependencies' : `dependencies ${part + 1} of ${layers}`;
    return { name, entries: entries.filter((_entry, index) => ((memberships[index] ?? 0) & (1 << part)) !== 0) };
  }).filter((part) => part.entries.length > 0);
}

/** The index of the folder that each entry lies in; entries come in the order of a walk. */
function parentsOf(entries: readonly LayerEntry[]): (number | undefined)[] {
  const folders = new Map<string, number>();
  return entries.map(({ path, type }, index) => {
    if (type === 'folder') folders.set(path, index);
    const slash = path.lastIndexOf('/');
    return slash < 0 ? undefined : folders.get(path.slice(0, slash));
  });
}

/** The package that a path belongs to, and its first folder inside; undefined for what is no dependency. */
function packageOf(path: string): { readonly name: string; readonly inside: string } | undefined {
  const found = /(?:^|\/)(node_modules|site-packages|vendor)\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?(?:\/([^/]+))?/.exec(path);
  const [, where, first, second = '', third = '', fourth = ''] = found ?? [];
  if (first === undefined) return undefined;
  if (where === 'vendor') return { name: `${first}/${second}/${third}`, inside: fourth };
  // The wheel's own folder, and what is told about it: requests, requests-2.32.0.dist-info.
  if (where === 'site-packages') return { name: first.replace(/-[^-]+\.(?:dist|egg)-info$/, '').toLowerCase(), inside: second };
  // pnpm: .pnpm/NAME@VERSION/node_modules/NAME
  if (first === '.pnpm') return { name: second.replace(/(?<=.)@.*$/, ''), inside: fourth };
  return first.startsWith('@') ? { name: `${first}/${second}`, inside: third } : { name: first, inside: second };
}

function bucketOf(name: string, layers: number): number {
  return createHash('sha256').update(name).digest().readUInt32BE(0) % layers;
}
