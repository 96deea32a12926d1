import type { Clock } from '../kernel/clock.ts';
import type { BlobStore } from './blob-store.ts';
import type { RegistryLimits } from './limits.ts';
import { ProtocolError } from './protocol-error.ts';
import { Upload } from './upload.ts';

/** The uploads that are open. Those with a URL of their own outlive the process, and go on in the next one. */
export type Uploads = AsyncDisposable & {
  /** @throws ProtocolError TOOMANYREQUESTS */
  start(repository: string): Promise<Upload>;
  /** @throws ProtocolError BLOB_UPLOAD_UNKNOWN, also for another repository's upload */
  find(repository: string, id: string): Upload;
  /** Says that it is in use: the idle time starts anew. */
  touch(upload: Upload): void;
  /** Takes it off the list, before `seal` or `discard`. */
  remove(upload: Upload): void;
  /** Removes those that nobody touched for too long. */
  sweep(): Promise<void>;
};

export function createUploads(blobs: BlobStore, limits: RegistryLimits, clock: Clock): Uploads {
  const now = () => clock.now().getTime();
  const open = new Map(
    blobs.unfinished.map((each) => [each.id, new Upload(each, each.repository, limits.blobBytes, Math.min(each.touchedAt, now()))]),
  );

  async function sweep(): Promise<void> {
    const idle = [...open.values()].filter((upload) => !upload.busy && upload.touchedAt < now() - limits.uploadIdleMs);
    for (const upload of idle) open.delete(upload.id);
    await Promise.all(idle.map((upload) => upload.discard()));
  }

  return {
    sweep,
    async start(repository) {
      if (open.size >= limits.uploads) await sweep();
      if (open.size >= limits.uploads)
        throw new ProtocolError('TOOMANYREQUESTS', `${limits.uploads} uploads are open already; finish or delete some`, {
          headers: { 'retry-after': '10' },
        });
      const upload = new Upload(blobs.place(), repository, limits.blobBytes, now());
      open.set(upload.id, upload);
      return upload;
    },
    find(repository, id) {
      const upload = open.get(id);
      if (upload?.repository !== repository) throw new ProtocolError('BLOB_UPLOAD_UNKNOWN', 'There is no such upload; start a new one');
      upload.touchedAt = now();
      return upload;
    },
    touch: (upload) => void (upload.touchedAt = now()),
    remove: (upload) => void open.delete(upload.id),
    async [Symbol.asyncDispose]() {
      const rest = [...open.values()];
      open.clear();
      await Promise.all(rest.map((upload) => upload.suspend()));
    },
  };
}
