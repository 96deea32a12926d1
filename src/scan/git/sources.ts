import { listedSource } from '../folder-source.ts';
import { pieceBytes, type TreeSource } from '../tree-source.ts';
import { gitLines, gitText, readObjects, type GitPlace } from './objects.ts';

type Entry = { readonly blob: string; readonly path: string };

/** A commit's or a tree's files. Links and submodules are left out. */
export function gitTreeSource(place: GitPlace, tree: string): TreeSource {
  return blobSource(place, `the tree of ${tree}`, async function* (signal) {
    const listed = await gitText(place, ['ls-tree', '-r', '-z', '--full-tree', safe(tree)], signal);
    for (const line of nul(listed)) {
      const [, mode = '', type, blob = '', path = ''] = /^(\d+) (\w+) ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
      if (type === 'blob' && mode !== '120000') yield { blob, path };
    }
  });
}

/** What was there before, and what is there now: a finding that stands in both is not the change's. */
export type ChangeSource = { readonly added: TreeSource; readonly before: TreeSource };

/**
 * Every blob that commits of `head` bring and no commit of `base` has: what one commit added and the next one took away too.
 * `base` may be several; with none, it is the whole history of `head`.
 */
export function gitRangeSource(place: GitPlace, base: readonly string[], head: string): ChangeSource {
  const what = base.length === 1 ? `${base[0]}..${head}` : `what ${head} adds`;
  const [first] = base;
  return {
    added: blobSource(place, what, (signal) => reachableBlobs(place, [head, '--not', ...base], signal)),
    before: blobSource(place, `the state before ${what}`, async function* (signal) {
      if (first === undefined) return;
      yield* (await rawDiff(place, ['diff-tree', '-r', '-z', '--raw', '--no-renames', '--no-abbrev', first, head], signal)).before;
    }),
  };
}

/** What a push brings that no ref has yet. @param tip of the branch that it is for */
export function gitPushSource(place: GitPlace, head: string, tip: string | undefined): ChangeSource {
  const { before } = gitRangeSource(place, tip === undefined ? [] : [tip], head);
  return { added: blobSource(place, 'what the push adds', (signal) => reachableBlobs(place, [head, '--not', '--all'], signal)), before };
}

/** Every blob of the history of all branches and tags, each once, but for those in `known`. */
export function gitHistorySource(place: GitPlace, known: { has(blob: string): boolean }, refs: readonly string[] = ['--all']): TreeSource {
  return blobSource(place, 'the whole history', async function* (signal) {
    for await (const entry of reachableBlobs(place, refs, signal)) if (!known.has(entry.blob)) yield entry;
  });
}

/** What the next commit would bring. */
export function gitStagedSource(place: GitPlace): ChangeSource {
  // Before the first commit everything is new: the empty tree is what it is compared with, which `diff-index` cannot find out, but `diff --cached` does.
  const diff = (signal: AbortSignal) =>
    rawDiff(place, ['diff', '--cached', '-z', '--raw', '--no-renames', '--no-abbrev', '--no-ext-diff'], signal);
  return {
    added: blobSource(place, 'what is staged', async function* (signal) {
      yield* (await diff(signal)).after;
    }),
    before: blobSource(place, 'the last commit', async function* (signal) {
      yield* (await diff(signal)).before;
    }),
  };
}

/** A work tree as Git sees it: tracked files, and new ones that it does not ignore, as they stand on disk. */
export function gitWorkTreeSource(place: GitPlace): TreeSource {
  return listedSource(`the work tree ${place.folder} without what Git ignores`, place.folder, async (signal) =>
    [...new Set(nul(await gitText(place, ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', '.'], signal)))].toSorted(),
  );
}

/** Commits that brought one of the blobs in, newest first, with all the paths that they gave it. */
export async function commitsOf(
  place: GitPlace,
  blobs: ReadonlySet<string>,
  revisions: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly { readonly commit: string; readonly path: string }[]>> {
  const found = new Map<string, { commit: string; path: string }[]>();
  if (blobs.size === 0) return found;
  const args = [
    'log',
    '-m',
    '--root',
    '--raw',
    '-r',
    '-z',
    '--no-renames',
    '--no-abbrev',
    '--no-ext-diff',
    '--format=%x00commit %H',
    ...revisions.map(safeOrOption),
  ];
  let commit = '';
  const parts = nul(await gitText(place, args, signal));
  for (let index = 0; index < parts.length; index++) {
    const part = (parts[index] ?? '').replace(/^\n+/, '');
    if (part.startsWith('commit ')) commit = part.slice('commit '.length).trim();
    const blob = /^:\d+ \d+ [0-9a-f]+ ([0-9a-f]+) [A-Z]/.exec(part)?.[1];
    if (blob === undefined) continue;
    const path = parts[++index] ?? '';
    if (!blobs.has(blob)) continue;
    const list = found.get(blob) ?? [];
    if (!list.some((each) => each.commit === commit && each.path === path)) list.push({ commit, path });
    found.set(blob, list);
  }
  return found;
}

/** What is listed is read while the rest is still being listed: git works on both at once, and no list is held. */
function blobSource(place: GitPlace, what: string, list: (signal: AbortSignal) => AsyncIterable<Entry>): TreeSource {
  return {
    what,
    async *files({ signal, skip }) {
      const asked: string[] = [];
      const names = async function* () {
        for await (const { blob, path } of list(signal)) {
          asked.push(path);
          yield blob;
        }
      };
      for await (const object of readObjects(place, names(), pieceBytes, signal)) {
        const path = asked.shift() ?? object.name;
        if ('missing' in object)
          skip({ path, reason: 'unreadable', detail: `the repository lacks the object ${object.name.slice(0, 12)}` });
        else yield { path, size: object.size, blob: object.name, pieces: () => object.pieces() };
      }
    },
  };
}

async function* reachableBlobs(place: GitPlace, revisions: readonly string[], signal: AbortSignal): AsyncGenerator<Entry> {
  const args = ['rev-list', '--objects', '--filter=object:type=blob', '--filter-provided-objects', ...revisions.map(safeOrOption)];
  for await (const line of gitLines(place, args, signal)) {
    const space = line.indexOf(' ');
    // A link's target is a blob too, and is read like any other text: history does not say what it was.
    if (line !== '') yield space < 0 ? { blob: line, path: line } : { blob: line.slice(0, space), path: line.slice(space + 1) };
  }
}

async function rawDiff(place: GitPlace, args: readonly string[], signal: AbortSignal): Promise<{ before: Entry[]; after: Entry[] }> {
  const parts = nul(await gitText(place, args, signal));
  const before: Entry[] = [];
  const after: Entry[] = [];
  for (let index = 0; index + 1 < parts.length; index += 2) {
    const path = parts[index + 1] ?? '';
    const [, oldMode = '', newMode = '', old = '', fresh = ''] = /^:(\d+) (\d+) ([0-9a-f]+) ([0-9a-f]+) /.exec(parts[index] ?? '') ?? [];
    if (isFile(oldMode)) before.push({ blob: old, path });
    // All zeros: an entry that was only announced (`git add -N`), and has no content yet.
    if (isFile(newMode) && !/^0+$/.test(fresh)) after.push({ blob: fresh, path });
  }
  return { before, after };
}

const isFile = (mode: string): boolean => mode.startsWith('100');
const nul = (text: Buffer): string[] =>
  text
    .toString('utf8')
    .split('\0')
    .filter((part) => part !== '');

/** A name from outside that cannot pass for an option. */
function safe(revision: string): string {
  return revision.startsWith('-') ? `refs/heads/${revision}` : revision;
}

/** Options of git-rev-list that name commits; everything else is a name. */
const options: ReadonlySet<string> = new Set(['--all', '--branches', '--tags', '--not']);

function safeOrOption(revision: string): string {
  return options.has(revision) ? revision : safe(revision);
}
