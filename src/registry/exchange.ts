import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../kernel/clock.ts';
import type { KeyedLock } from '../kernel/keyed-lock.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Access } from './access.ts';
import type { Authority } from './authority.ts';
import type { BlobStore } from './blob-store.ts';
import type { Catalog } from './catalog.ts';
import type { Leases } from './leases.ts';
import type { RegistryLimits } from './limits.ts';
import type { MemoryShare } from './memory-share.ts';
import type { Mirrors } from './mirror/mirror.ts';
import type { Quotas } from './quota.ts';
import type { Uploads } from './uploads.ts';

/** What the handlers work with; made once. */
export type Parts = {
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly authority: Authority;
  readonly uploads: Uploads;
  /** By digest: whoever gives a blob's file its name, or takes it away, holds it together with the rows. */
  readonly locks: KeyedLock<string>;
  readonly leases: Leases;
  readonly quotas: Quotas;
  readonly memory: MemoryShare;
  readonly clock: Clock;
  readonly limits: RegistryLimits;
  readonly deletion: boolean;
  /** By what a client's address is counted. */
  readonly addressOf: (request: IncomingMessage) => string;
  readonly logger: Logger;
  /** Undefined for a registry alone. */
  readonly mirrors: Mirrors | undefined;
  /** `host:port` as it stands in references. */
  readonly service: string;
};

/** One request, after its credentials were read. `signal` aborts when the client is too slow or gone. */
export type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly query: URLSearchParams;
  readonly access: Access | undefined;
  readonly signal: AbortSignal;
  /** Until it is disposed, the client is not to blame for standing still. */
  atWork(): Disposable;
};
