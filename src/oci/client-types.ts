import type { Readable } from 'node:stream';
import type { Digest } from '../kernel/digest.ts';
import type { RegistryAuth, RegistryAuthSource } from './client-session.ts';
import type { Descriptor, Manifest } from './manifest.ts';

export type RegistryClientOptions = {
  /** `host` or `host:port`. */
  readonly registry: string;
  readonly plainHttp: boolean;
  readonly auth?: RegistryAuth | RegistryAuthSource;
  /** Hosts besides the registry's own that may be given the credential for a token. Default: any that the registry names, by HTTPS. */
  readonly tokenHosts?: readonly string[];
  /** PEM of a CA to trust instead of the system's. */
  readonly ca?: string;
  /** When given: hosts (`host` or `host:port`) that may be at any address; every other one is reached at public addresses alone. */
  readonly anyAddress?: readonly string[];
  /** Whether reading is tried again when it failed for a moment (true). */
  readonly repeat?: boolean;
  readonly limits?: {
    /** A call without a blob, in ms (30 s). */
    readonly callMs?: number;
    /** A call that carries a blob, in ms (1 h). */
    readonly blobMs?: number;
    /** Nothing moves for so long, in ms (60 s). */
    readonly idleMs?: number;
    /** Connections at once (8). */
    readonly sockets?: number;
  };
};

export type Resolved = { readonly digest: Digest; readonly mediaType: string; readonly size: number };
export type FetchedManifest = { readonly manifest: Manifest; readonly bytes: Buffer; readonly descriptor: Resolved };
export type BlobSource = { readonly path: string } | { readonly bytes: Uint8Array } | { readonly stream: Readable };

/** A client of one registry (distribution-spec 1.1). Every method throws WaybillError; disposing it closes its connections. */
export type RegistryClient = Disposable & {
  readonly registry: string;
  /** HEAD; undefined when there is no such tag or manifest. */
  resolve(repository: string, tagOrDigest: string, signal?: AbortSignal): Promise<Resolved | undefined>;
  /** The manifest, checked against the digest that was asked for, or the one that the registry names for the tag. */
  getManifest(repository: string, tagOrDigest: string, signal?: AbortSignal): Promise<FetchedManifest>;
  /** Fails at its end when the content is not the digest's; do not use what came before as if it were checked. */
  getBlob(repository: string, blob: { digest: Digest; size?: number }, signal?: AbortSignal): Promise<Readable>;
  hasBlob(repository: string, digest: Digest, signal?: AbortSignal): Promise<boolean>;
  /** Uploads in one piece; the registry checks the digest. A `stream` is read once, and so never tried again. */
  putBlob(repository: string, source: BlobSource, blob: { digest: Digest; size: number }, signal?: AbortSignal): Promise<void>;
  /** By tag when one is given, else by digest. `subject` is what the registry's OCI-Subject header says. */
  putManifest(
    repository: string,
    bytes: Uint8Array,
    mediaType: string,
    options?: { tag?: string; signal?: AbortSignal },
  ): Promise<{ digest: Digest; subject: Digest | undefined }>;
  /** Pushes a manifest of a layout with everything below it, skipping what is there. */
  pushLayout(folder: string, digest: Digest, repository: string, options?: CopyOptions): Promise<Resolved>;
  /** Fetches a manifest with everything below it into a layout (made when missing), checked; adds the entry to its index. */
  pullToLayout(repository: string, tagOrDigest: string, folder: string, options?: CopyOptions): Promise<Resolved>;
  listTags(repository: string, signal?: AbortSignal): Promise<string[]>;
  listReferrers(repository: string, digest: Digest, options?: { artifactType?: string; signal?: AbortSignal }): Promise<Descriptor[]>;
  /** What the credential may do there, tried: an upload is begun and given up again. */
  probe(repository: string, signal?: AbortSignal): Promise<Probe>;
  attachReferrer(repository: string, subject: Descriptor, options: AttachOptions): Promise<Descriptor>;
};

export type Probe = {
  readonly pull: Allowed;
  readonly push: Allowed;
  /** The registry has the referrers API; where it has not, the tag `sha256-<hex>` stands in. Undefined: it could not be asked. */
  readonly referrers?: boolean;
};
/** `missing`: there is no such repository; what may be done in it cannot be told. */
export type Allowed = 'allowed' | 'missing' | { readonly refused: string };

export type CopyProgress = { readonly blob: Digest; readonly size: number; readonly status: 'copied' | 'present' };

export type CopyOptions = {
  readonly tag?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CopyProgress) => void;
};

export type AttachOptions = {
  readonly artifactType: string;
  readonly blob: Uint8Array;
  readonly blobMediaType: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
};
