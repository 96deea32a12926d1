import type { Readable } from 'node:stream';
import type { Digest } from '../../kernel/digest.ts';

/** What is scanned of an image, wherever it lies: in a layout, in a registry. Whoever opens a layer checks it against its digest. */
export type LayeredImage = {
  /** For people. */
  readonly name: string;
  readonly digest: Digest;
  /** Never empty. */
  readonly platforms: readonly ImagePlatform[];
};

export type ImagePlatform = {
  /** `linux/amd64` */
  readonly platform: string;
  /** As configured; undefined: root. */
  readonly user: string | undefined;
  /** The whole configuration as text: environment and labels hold credentials, too. */
  readonly configText: string;
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
};

export type ImageLayer = {
  readonly digest: Digest;
  readonly mediaType: string;
  /** The declaration or instruction that made it. */
  readonly createdBy: string;
  open(): Promise<Readable>;
};
