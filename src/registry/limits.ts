/** Sizes in bytes, times in milliseconds. */
export type RegistryLimits = {
  readonly blobBytes: number;
  readonly manifestBytes: number;
  /** Uploads that may be open at once, whole ones that are just arriving among them; each holds a file. */
  readonly uploads: number;
  /** An upload that nobody writes to for so long is removed. */
  readonly uploadIdleMs: number;
  /** A connection on which nothing moves for so long is ended. */
  readonly idleMs: number;
  /** A client that is waited for moves at least so much, on average over `idleMs`. */
  readonly bytesPerSecond: number;
  /** A request that takes longer is ended, however lively. */
  readonly requestMs: number;
  /** Of one holder of credentials, or of one address without; twenty seconds' worth may come at once. */
  readonly requestsPerSecond: number;
};

export const defaultLimits: RegistryLimits = {
  blobBytes: 10 * 1024 ** 3,
  manifestBytes: 4 * 1024 ** 2,
  uploads: 2_000,
  uploadIdleMs: 60 * 60_000,
  idleMs: 60_000,
  bytesPerSecond: 1024,
  requestMs: 60 * 60_000,
  requestsPerSecond: 500,
};

/**
 * For `createServer` of the server that carries the registry. Node's own limit on a whole request (five minutes) would cut large
 * uploads; `RegistryLimits` has finer ones. Headers that drip end within their limit, not within half a minute more. The buffer halves the number of reads for large blobs.
 */
export const registryServerOptions = {
  requestTimeout: 0,
  headersTimeout: 20_000,
  connectionsCheckingInterval: 2_000,
  keepAliveTimeout: 30_000,
  maxHeaderSize: 16 * 1024,
  highWaterMark: 256 * 1024,
} as const;
