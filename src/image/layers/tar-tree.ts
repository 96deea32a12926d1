import { open, rm, type FileHandle } from 'node:fs/promises';
import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract, type Extract, type Header } from 'tar-stream';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import type { LayerLimits } from './limits.ts';
import type { Tree, TreeChild, TreeFolder } from './tree.ts';

type FileNode = {
  readonly type: 'file';
  readonly size: number;
  readonly mode: number;
  readonly at: number;
  /** Of the content. */
  readonly hash: string;
  /** Its place among the entries: what tells two empty files apart. */
  readonly nth: number;
  names: number;
};
type FolderNode = { readonly type: 'folder'; readonly children: Map<string, Node> };
type Node =
  | FileNode
  | FolderNode
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'other'; readonly what: string };

/**
 * Reads a tar (as `git archive` writes it) once: file contents go back to back into one unnamed file, everything else is kept in
 * memory. Nothing is extracted, so no path in it can lead anywhere. A tar without its end mark is refused. The caller disposes it.
 * @param source a fresh stream of the tar
 * @param folder where the unnamed file is made (its name is removed at once)
 */
export async function tarTree(
  source: (signal: AbortSignal) => Promise<NodeJS.ReadableStream>,
  folder: string,
  limits: LayerLimits,
  signal: AbortSignal,
): Promise<Tree> {
  const path = join(folder, `.source-${randomUUID()}`);
  const spool = await open(path, 'wx+', 0o600);
  try {
    await rm(path);
    const root: FolderNode = { type: 'folder', children: new Map() };
    const parser = extract();
    const end = new EndMark();
    // Nothing may be awaited between these two: Node throws away the output of a process that ended before anybody read it.
    const tar = await source(signal);
    const results = await Promise.allSettled([
      pipeline(tar, (chunks) => end.watch(chunks), parser, { signal }),
      readEntries(parser, root, spool, limits),
    ]);
    signal.throwIfAborted();
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    const error = errors.find((each) => isWaybillError(each)) ?? errors[0];
    if (error !== undefined) throw isWaybillError(error) ? error : invalid(`the source's tar cannot be read: ${messageOf(error)}`, error);
    if (!end.seen()) throw invalid(`the source's tar ends before its end mark`);
    return { root: () => folderOf(root, spool.fd), [Symbol.asyncDispose]: () => spool.close() };
  } catch (error) {
    await spool.close();
    throw error;
  }
}

async function readEntries(parser: Extract, root: FolderNode, spool: FileHandle, limits: LayerLimits): Promise<void> {
  let at = 0;
  let entries = 0;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(waiting, waitingBytes);
    waiting = [];
    waitingBytes = 0;
    await writeAll(spool, bytes, at - bytes.length);
  };
  for await (const entry of parser) {
    if (++entries > limits.entries) throw new WaybillError('LIMIT_EXCEEDED', `the source has more than ${limits.entries} files`);
    const start = at;
    const hash = createHash('sha256');
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      at += chunk.length;
      hash.update(chunk);
      if (at > limits.bytes) throw new WaybillError('LIMIT_EXCEEDED', `the source has more than ${limits.bytes} bytes`);
      waiting.push(chunk);
      waitingBytes += chunk.length;
      if (waitingBytes >= 2 ** 20) await flush();
    }
    insert(root, entry.header, { at: start, size: at - start, hash: hash.digest('hex'), nth: entries });
  }
  await flush();
}

async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

type Content = Pick<FileNode, 'at' | 'size' | 'hash' | 'nth'>;

function insert(root: FolderNode, header: Header, content: Content): void {
  const names = namesOf(header.name);
  if (names.includes('..') || header.name.startsWith('/')) throw invalid(`the source's tar holds the path ${JSON.stringify(header.name)}`);
  const last = names.pop();
  if (last === undefined) return;
  let folder = root;
  for (const name of names) {
    let next = folder.children.get(name);
    if (next === undefined) folder.children.set(name, (next = { type: 'folder', children: new Map() }));
    if (next.type !== 'folder') throw invalid(`the source's tar holds ${JSON.stringify(header.name)} below what is no folder`);
    folder = next;
  }
  const node = nodeOf(root, header, content);
  if (node.type === 'folder' && folder.children.get(last)?.type === 'folder') return;
  folder.children.set(last, node);
}

function nodeOf(root: FolderNode, header: Header, content: Content): Node {
  switch (header.type) {
    case 'directory':
      return { type: 'folder', children: new Map() };
    case 'symlink':
      return { type: 'symlink', target: header.linkname };
    case 'link': {
      const found = find(root, header.linkname);
      if (found?.type !== 'file') throw invalid(`the source's tar holds the hard link ${JSON.stringify(header.name)} to what is no file`);
      found.names += 1;
      return found;
    }
    case 'file':
    case 'contiguous-file':
      return { type: 'file', mode: header.mode & 0o7777, names: 1, ...content };
    default:
      return { type: 'other', what: String(header.type) };
  }
}

function find(root: FolderNode, path: string): Node | undefined {
  return namesOf(path).reduce<Node | undefined>((node, name) => (node?.type === 'folder' ? node.children.get(name) : undefined), root);
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function folderOf(node: FolderNode, fd: number): TreeFolder {
  return {
    children: () => Array.from(node.children, ([name, child]) => childOf(name, child, fd)),
    [Symbol.dispose]() {},
  };
}

function childOf(name: string, node: Node, fd: number): TreeChild {
  // The parser decodes names; what was no UTF-8 has U+FFFD in it, and its true name is lost.
  if (name.includes('\uFFFD')) return { type: 'other', name, what: 'name that is not UTF-8' };
  if (node.type === 'folder') return { type: 'folder', name, mode: 0o755, open: () => folderOf(node, fd) };
  if (node.type === 'symlink') return { type: 'symlink', name, target: () => Buffer.from(node.target) };
  if (node.type === 'other') return { type: 'other', name, what: node.what };
  return {
    type: 'file',
    name,
    size: node.size,
    mode: node.mode,
    ...(node.names > 1 ? { identity: String(node.nth) } : {}),
    stamp: { text: node.hash, changedAt: Number.NEGATIVE_INFINITY },
    source: { fd, at: node.at, size: node.size },
  };
}

/** Whether a stream ended in 1,024 zero bytes (POSIX.1-1988, "end-of-archive"): a producer that was cut off between two files does not. */
class EndMark {
  #zeros = 0;

  async *watch(chunks: AsyncIterable<Buffer | string>): AsyncGenerator<Buffer> {
    for await (const piece of chunks) {
      const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece;
      const tail = chunk.subarray(-1024);
      let zeros = 0;
      while (zeros < tail.length && tail[tail.length - 1 - zeros] === 0) zeros++;
      this.#zeros = zeros === chunk.length ? this.#zeros + zeros : zeros;
      yield chunk;
    }
  }

  seen(): boolean {
    return this.#zeros >= 1024;
  }
}

function invalid(detail: string, cause?: unknown): WaybillError {
  return new WaybillError('IMAGE_LAYER_INVALID', detail, { cause });
}
