import type { Readable } from 'node:stream';
import type { Digest } from '../../kernel/digest.ts';
import type { Descriptor, ImageManifest } from '../../oci/manifest.ts';
import type { LayerLimits } from './limits.ts';
import type { Platform } from './platform.ts';

/** What an image build may touch; nothing of it reaches a workspace that pipeline steps have written to. */
export type BuildContext = {
  /** An uncompressed tar (as `git archive` writes it) of the merged commit's own tree; a fresh stream at each call. */
  source(signal: AbortSignal): Promise<NodeJS.ReadableStream>;
  /**
   * Runs the commands in a build sandbox of their own, over a fresh checkout of that same tree, with WAYBILL_COMMIT in their environment.
   * Resolves when no process of it lives any more; `folder` is then read, its contents untrusted. Rejects when a command fails.
   */
  sandbox(commands: readonly string[], signal: AbortSignal): Promise<Sandbox>;
  /** Manifest and configuration of a base image, for the platform that is built. Not called for `scratch`. */
  base(reference: string, platform: Platform, signal: AbortSignal): Promise<BaseImage>;
  /** The commit's time (SOURCE_DATE_EPOCH): the one time that the image knows. */
  readonly created: Date;
  /** Time of every file in the layers; `created` unless told. One constant for all commits lets unchanged layers be shared between them. */
  readonly mtime?: Date;
  /** Of the manifest, and labels of the configuration: `org.opencontainers.image.revision`, `…source` and so on. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Folder of the OCI layout; made when it is missing. */
  readonly out: string;
  /** What is built when the image names no platforms. */
  readonly platform: Platform;
  readonly signal: AbortSignal;
  onProgress(event: BuildProgress): void;
  /** Folder of compressed layers of earlier builds; none when it is left out. Does not change a byte of the result. */
  readonly cache?: string;
  /** Blocks that are compressed at once; the processors of this machine unless told. Does not change a byte of the result. */
  readonly concurrency?: number;
  readonly limits?: Partial<LayerLimits>;
};

export type Sandbox = AsyncDisposable & { readonly folder: string };

export type BaseImage = {
  /** What the reference names: the index when the image has several platforms. */
  readonly resolved: Digest;
  /** Of the image manifest for this platform. */
  readonly digest: Digest;
  readonly manifest: ImageManifest;
  /** The configuration's bytes; checked here against the manifest. */
  readonly config: Uint8Array;
  /** A stream of a layer; checked here against digest and size while it is copied. */
  blob(descriptor: Descriptor, signal: AbortSignal): Promise<Readable>;
};

export type BuildProgress =
  | { readonly kind: 'sandbox'; readonly commands: readonly string[]; readonly milliseconds: number }
  | { readonly kind: 'layer'; readonly layer: BuiltLayer; readonly cached: boolean; readonly milliseconds: number }
  | { readonly kind: 'engine'; readonly name: string; readonly version: string; readonly isolation: string }
  | { readonly kind: 'base'; readonly digest: Digest; readonly size: number }
  | { readonly kind: 'image'; readonly digest: Digest };

export type BuiltLayer = {
  /** Of the uncompressed tar: the layer's identity, equal on every machine. */
  readonly diffId: Digest;
  /** Of the compressed blob; equal where `compressor` is. */
  readonly digest: Digest;
  /** Bytes of the compressed blob. */
  readonly size: number;
  readonly from: string;
  readonly to: string;
  /** Which part of a tree that was split: `dependencies 3 of 8`, `rest`. */
  readonly part?: string;
  /** Where it belongs to one platform alone. */
  readonly platform?: string;
};

export type BuiltManifest = {
  readonly platform: Platform;
  readonly digest: Digest;
  readonly size: number;
  readonly manifest: ImageManifest;
};

export type BuiltImage = {
  readonly name: string;
  /** Of the index when there are several platforms, else of the one manifest. */
  readonly digest: Digest;
  /** Bytes of what has the digest. */
  readonly size: number;
  /** Folder of the OCI layout that holds every blob of the image. */
  readonly layout: string;
  /** One for each platform. */
  readonly manifests: readonly [BuiltManifest, ...BuiltManifest[]];
  /** The layers of this build, without the base's, bottom first. */
  readonly layers: readonly BuiltLayer[];
  /** With what the reference named when it was read. */
  readonly base?: { readonly reference: string; readonly digest: Digest };
  readonly compressor: string;
};
