import type { ImageComparison } from '../image/diff/diff-images.ts';
import type { EngineName } from '../image/dockerfile/engine.ts';
import type { BaseImage } from '../image/layers/build-context.ts';
import type { Platform } from '../image/layers/platform.ts';
import type { Digest } from '../kernel/digest.ts';
import type { Secret } from '../kernel/secret.ts';

/** What `waybill image build` asks for. */
export type LocalBuildOptions = {
  readonly cwd: string;
  /** An image of the pipeline file; all when undefined. */
  readonly name: string | undefined;
  /** Absolute path of the layout; `.waybill/images` of the checkout when undefined. */
  readonly out: string | undefined;
  readonly check: boolean;
  readonly revision: string | 'worktree';
  /** Build secrets by their ids. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** The engine for Dockerfiles; the first that answers when undefined. */
  readonly engine: EngineName | undefined;
  readonly unsafeNoSandbox: boolean;
  readonly colour: boolean;
  readonly signal: AbortSignal;
  base(reference: string, platform: Platform, signal: AbortSignal): Promise<BaseImage>;
  note(line: string): void;
};

export type LocalBuild = {
  readonly name: string;
  readonly layout: string;
  readonly digest: Digest;
  readonly commit?: string;
  /** With `check`: the second build beside the first. */
  readonly comparison?: ImageComparison;
};
