import { closeSync, constants, fchownSync, lchownSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract as tarExtract, type Header } from 'tar-stream';
import { WaybillError } from '../../kernel/error.ts';
import type { Owner } from './owner.ts';

export type ExtractLimits = { readonly maxBytes: number; readonly maxEntries: number };

const maxPathBytes = 3072;
const create = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Extracts an uncompressed tar into `root`, an empty folder that nobody else can write to yet. Every parent of an entry must be a
 * folder that this call has made, so nothing is ever written through a link; links themselves are kept as they are, wherever they
 * point to. Refused: absolute paths, `..`, an entry named twice, hard links, devices, pipes.
 * Small synchronous writes: each is some 20 µs, a hop through the thread pool per file costs five times that.
 * @throws WaybillError INVALID_INPUT, LIMIT_EXCEEDED
 */
export async function extractTar(
  tar: NodeJS.ReadableStream,
  root: string,
  owner: Owner,
  limits: ExtractLimits,
  signal: AbortSignal,
): Promise<void> {
  const tree = new Tree(root, owner, limits);
  const extractor = tarExtract();
  const consumed = (async () => {
    for await (const entry of extractor) {
      const write = tree.add(entry.header);
      try {
        for await (const chunk of entry as AsyncIterable<Buffer>) write.chunk(chunk);
      } finally {
        write.close();
      }
    }
  })();
  consumed.catch(() => undefined); // awaited below
  try {
    await Promise.all([pipeline(tar, extractor, { signal }), consumed]);
  } catch (error) {
    await consumed.catch((first: unknown) => {
      if (first instanceof WaybillError) throw first;
    });
    if (signal.aborted || error instanceof WaybillError) throw error;
    throw new WaybillError('INVALID_INPUT', `the source is no readable tar: ${(error as Error).message}`, { cause: error });
  }
}

class Tree {
  readonly #folders = new Set<string>(['']);
  readonly #others = new Set<string>();
  readonly #root: string;
  readonly #owner: Owner;
  readonly #limits: ExtractLimits;
  #bytes = 0;

  constructor(root: string, owner: Owner, limits: ExtractLimits) {
    this.#root = root;
    this.#owner = owner;
    this.#limits = limits;
  }

  /** Makes the entry; what is returned takes its contents. */
  add(header: Header): { chunk(bytes: Buffer): void; close(): void } {
    const path = safePath(header.name);
    const nothing = { chunk: () => undefined, close: () => undefined };
    if (header.type === 'directory') {
      if (path !== '') this.#folder(path);
      return nothing;
    }
    if (path === '' || this.#folders.has(path) || this.#others.has(path)) {
      throw new WaybillError('INVALID_INPUT', `the source names ${show(header.name)} twice`);
    }
    this.#parents(path);
    this.#count(path);
    this.#others.add(path);
    const full = join(this.#root, path);
    if (header.type === 'symlink') {
      symlinkSync(safeTarget(header), full);
      if (this.#owner.separate) lchownSync(full, this.#owner.uid, this.#owner.gid);
      return nothing;
    }
    if (header.type !== 'file' && header.type !== 'contiguous-file') {
      throw new WaybillError(
        'INVALID_INPUT',
        `the source holds ${show(header.name)}, which is a ${header.type}: only files, folders and symbolic links are taken`,
      );
    }
    const fd = openSync(full, create, ((header.mode ?? 0) & 0o111) === 0 ? 0o644 : 0o755);
    if (this.#owner.separate) fchownSync(fd, this.#owner.uid, this.#owner.gid);
    return { chunk: (bytes) => this.#write(fd, bytes), close: () => closeSync(fd) };
  }

  #write(fd: number, bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limits.maxBytes)
      throw new WaybillError('LIMIT_EXCEEDED', `the source has more than ${this.#limits.maxBytes} bytes`);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  }

  #parents(path: string): void {
    const slash = path.lastIndexOf('/');
    if (slash >= 0) this.#folder(path.slice(0, slash));
  }

  #folder(path: string): void {
    if (this.#folders.has(path)) return;
    if (this.#others.has(path))
      throw new WaybillError('INVALID_INPUT', `the source has something inside of ${show(path)}, which is no folder`);
    this.#parents(path);
    this.#count(path);
    const full = join(this.#root, path);
    mkdirSync(full, 0o755);
    if (this.#owner.separate) lchownSync(full, this.#owner.uid, this.#owner.gid);
    this.#folders.add(path);
  }

  #count(path: string): void {
    if (this.#folders.size + this.#others.size > this.#limits.maxEntries) {
      throw new WaybillError('LIMIT_EXCEEDED', `the source has more than ${this.#limits.maxEntries} entries`);
    }
    if (Buffer.byteLength(path) > maxPathBytes)
      throw new WaybillError('LIMIT_EXCEEDED', `the source has a path of more than ${maxPathBytes} bytes`);
  }
}

/** `./a//b/` → `a/b`. @throws WaybillError INVALID_INPUT for what could lead outside */
function safePath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || name.includes('\0') || parts.includes('..')) {
    throw new WaybillError('INVALID_INPUT', `the source has an entry ${show(name)}, which leads outside`);
  }
  return parts.join('/');
}

function safeTarget(header: Header): string {
  const target = header.linkname ?? '';
  if (target === '' || target.includes('\0') || Buffer.byteLength(target) > 4095) {
    throw new WaybillError('INVALID_INPUT', `the symbolic link ${show(header.name)} has no usable target`);
  }
  return target;
}

const show = (path: string): string => JSON.stringify(path.slice(0, 200));
