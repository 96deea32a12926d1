import type { Digest } from '../../kernel/digest.ts';

/**
 * A program that builds Dockerfiles. Contract (engine.contract.ts runs it over every one that is there):
 * - it reads `context` and `dockerfile` alone, finds the bases under their names without any registry, and knows no credential;
 * - with `network: 'none'` nothing that runs in the build reaches anything, loopback of this host included;
 * - a secret is a file below /run/secrets while a RUN that asks for it runs, and in no layer, configuration or history;
 * - equal inputs with an equal `time` give equal files with that time in every layer, where the program can do that (`rewritesTimes`);
 * - the result is an OCI layout in `out` with exactly one image manifest for one platform; when it fails, the end of what it said is the error;
 * - an abort ends every process of it before it rejects; nothing is left outside of `work`.
 */
export type DockerfileEngine = {
  readonly name: EngineName;
  /** As the program says it. */
  readonly version: string;
  /** True when the program itself sees nothing of this host but its own folder: what a server needs before it signs. */
  readonly confined: boolean;
  readonly rewritesTimes: boolean;
  /** For people: what separates RUN from this host. */
  readonly isolation: string;
  build(request: EngineBuild): Promise<void>;
};

export const engineNames = ['buildah', 'podman', 'buildkit', 'docker'] as const;
export type EngineName = (typeof engineNames)[number];

export type EngineBuild = {
  /** A folder for this build alone, which exists; whatever is kept meanwhile lies in it. */
  readonly work: string;
  readonly context: string;
  /** A folder with `Dockerfile` in it, and `Dockerfile.dockerignore` when there is one. */
  readonly dockerfile: string;
  readonly ignoreFile: boolean;
  readonly bases: readonly EngineBase[];
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
  readonly secrets: readonly EngineSecret[];
  readonly network: 'none' | 'filtered';
  /** Time of every file in the layers. */
  readonly time: Date;
  readonly platform: { readonly os: string; readonly architecture: string };
  readonly out: string;
  readonly signal: AbortSignal;
  onLine(line: string): void;
};

/** `layout` holds one image, `digest`; the Dockerfile calls it `name`. */
export type EngineBase = { readonly name: string; readonly layout: string; readonly digest: Digest };
export type EngineSecret = { readonly id: string; readonly file: string };
