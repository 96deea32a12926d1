import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import type { ErrorCode } from '../../kernel/error-table.ts';
import type { Digest } from '../../kernel/digest.ts';
import { codecFor, type Compression } from './compress.ts';
import type { CachedLayer } from './layer-cache.ts';
import { BlockPool, blockSize, tarBlocks, type TarOptions } from './tar.ts';
import type { LayerEntry } from './walk.ts';

/** What a thread is asked for: plain data. `digest`: of a file as it is; `hash`: of the tar that would be packed. */
export type PackJob =
  | { readonly kind: 'digest'; readonly path: string }
  | ({ readonly kind: 'hash' } & PackInput)
  | ({ readonly kind: 'pack'; readonly compression: Compression; /** A file that does not exist yet. */ readonly out: string } & PackInput);
type PackInput = { readonly entries: readonly LayerEntry[]; readonly tar: TarOptions };
export type PackResult<Job extends PackJob> = Job extends { readonly kind: 'pack' } ? CachedLayer : Digest;

/** What a thread answers. An error's class and code do not cross from one to another. */
export type PackReply =
  | { readonly result: unknown }
  | { readonly code: ErrorCode; readonly detail: string; readonly fix: string }
  | { readonly thrown: unknown };

/** The whole job on the calling thread. The bytes are those of `compressBlocks`. */
export function runJob<Job extends PackJob>(job: Job): PackResult<Job> {
  return (job.kind === 'digest' ? digestOfFile(job.path) : job.kind === 'hash' ? hash(job) : pack(job)) as PackResult<Job>;
}

function digestOfFile(path: string): Digest {
  const file = openSync(path, 'r');
  try {
    const block = Buffer.allocUnsafeSlow(blockSize);
    const digest = createHash('sha256');
    for (let read = readSync(file, block); read > 0; read = readSync(file, block)) digest.update(block.subarray(0, read));
    return `sha256:${digest.digest('hex')}` as Digest;
  } finally {
    closeSync(file);
  }
}

function hash({ entries, tar }: PackInput): Digest {
  const pool = new BlockPool();
  const diffId = createHash('sha256');
  for (const block of tarBlocks(entries, tar, pool)) {
    diffId.update(block);
    pool.give(block);
  }
  return `sha256:${diffId.digest('hex')}` as Digest;
}

function pack({ entries, tar, compression, out }: PackJob & { kind: 'pack' }): CachedLayer {
  const pool = new BlockPool();
  const codec = codecFor(compression);
  const diffId = createHash('sha256');
  const digest = createHash('sha256');
  let size = 0;
  const file = openSync(out, 'wx');
  try {
    const put = (bytes: Buffer) => {
      digest.update(bytes);
      for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
      size += bytes.length;
    };
    put(codec.head);
    let uncompressed = 0;
    for (const block of tarBlocks(entries, tar, pool)) {
      diffId.update(block);
      uncompressed += block.length;
      put(codec.blockSync(block));
      pool.give(block);
    }
    put(codec.tail(uncompressed));
  } finally {
    closeSync(file);
  }
  return { diffId: `sha256:${diffId.digest('hex')}` as Digest, digest: `sha256:${digest.digest('hex')}` as Digest, size };
}
