import type { Digest } from '../kernel/digest.ts';

/** The parts of an image reference. `registry` is `host` or `host:port`, `repository` the whole path behind it. */
export type ImageReference = {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
};

/**
 * One place in an object that makes a cluster fetch an image. Either `reference` is there, or `problem` says in one
 * sentence why the text could not be read.
 */
export type ImageUse = {
  /** Path in the object: `spec.template.spec.containers[0].image`. */
  readonly at: string;
  /** Name of the container or volume, as the object gives it. */
  readonly container?: string;
  /** Exactly what the object says. */
  readonly text: string;
} & ({ readonly reference: ImageReference } | { readonly reference?: never; readonly problem: string });
