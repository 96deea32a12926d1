import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import type { ErrorCode } from '../../kernel/error-table.ts';
import type { Digest } from '../../kernel/digest.ts';
import { codecFor, type Compression } from './compress.ts';
import type { CachedLayer } from './layer-cache.ts';
import { BlockPool, tarBlocks, type TarOptions } from './tar.ts';
import type { LayerEntry } from './walk.ts';

/** What a thread is asked for: plain data. */
export type PackJob = { readonly entries: readonly LayerEntry[]; readonly tar: TarOptions } & (
  | { readonly kind: 'hash' }
  | { readonly kind: 'pack'; readonly compression: Compression; /** A file that does not exist yet. */ readonly out: string }
);
export type PackResult<Job extends PackJob> = Job extends { readonly kind: 'hash' } ? Digest : CachedLayer;

/** What a thread answers. An error's class and code do not cross from one to another. */
export type PackReply =
  | { readonly result: unknown }
  | { readonly code: ErrorCode; readonly detail: string; readonly fix: string }
  | { readonly thrown: unknown };

/** The whole job on the calling thread. The bytes are those of `compressBlocks`. */
export function runJob<Job extends PackJob>(job: Job): PackResult<Job> {
  return (job.kind === 'hash' ? hash(job) : pack(job)) as PackResult<Job>;
}

function hash({ entries, tar }: PackJob): Digest {
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
