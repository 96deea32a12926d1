import type { Event } from './event.ts';
import type { ScanLevel } from './scan-levels.ts';

/** What a pipeline file says for one event: data, made without I/O. JSON-serialisable as it is; it is kept in the run's journal. */
export type Plan = {
  readonly event: Event;
  /** In an order that respects `needs`. */
  readonly stages: readonly PlannedStage[];
  /** Empty unless the event is `merge`. */
  readonly images: readonly PlannedImage[];
  readonly deploys: readonly PlannedDeploy[];
  /** What fails each scan. Absent: nothing is scanned (a run of a checkout, or one that an older version has planned). */
  readonly scans?: PlannedScans;
  /** What failed each scan in the branch before a merged commit, which is held to it, too. */
  readonly scansBefore?: PlannedScans;
};

export type PlannedScans = { readonly secrets: ScanLevel; readonly dependencies: ScanLevel; readonly image: ScanLevel };

export type PlannedStage = {
  readonly name: string;
  /** True for a `change` stage within a `merge` plan: skipped when a tests paper for this very tree exists. */
  readonly reusable: boolean;
  /** Names of stages of this plan that must have passed. */
  readonly needs: readonly string[];
  /** Run side by side; never empty. */
  readonly jobs: readonly PlannedJob[];
};

export type Network = 'filtered' | 'none';

export type PlannedJob = {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly network: Network;
  readonly steps: readonly PlannedStep[];
};

/** `run` is a script for `sh -e` in the workspace. */
export type PlannedStep = { readonly name: string; readonly run: string; readonly env: Readonly<Record<string, string>> };

export type PlannedImage = {
  readonly name: string;
  /** `scratch`, or a reference in the registry, with or without digest (`name:tag`, `name@sha256:…`). */
  readonly base: string;
  readonly layers: readonly PlannedLayer[];
  /** Default: zstd. */
  readonly compression?: 'gzip' | 'zstd';
  /** `linux/amd64`, `linux/arm/v7`: an index of one manifest for each. Default: that of the builder, without an index. */
  readonly platforms?: readonly string[];
  readonly config: ImageConfig;
  readonly network: Network;
  readonly timeoutMs: number;
  /** Names of external registries to which the image and its papers are copied. */
  readonly publish?: readonly string[];
  /** Built from a Dockerfile: then there are no layers, and base and config are the Dockerfile's own. */
  readonly dockerfile?: PlannedDockerfile;
};

export type PlannedDockerfile = {
  /** Path in the tree. */
  readonly file: string;
  /** Folder in the tree; `.` for all of it. */
  readonly context: string;
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
  /** Ids of build secrets, which RUN mounts. */
  readonly secrets: readonly string[];
};

/** `from`: path in the tree (after the `after` commands ran in a build sandbox of their own), `to`: absolute path in the image. */
export type PlannedLayer = {
  readonly from: string;
  readonly to: string;
  readonly after: readonly string[];
  /** User and group of everything in it, by number. Default: 0:0. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** `kept`: permission bits as the tree has them. Default: `normal`, 0755 and 0644. */
  readonly modes?: 'normal' | 'kept';
  /** False: one layer, however large its dependencies are. */
  readonly split?: boolean;
  /** Only in the manifest for this platform. */
  readonly platform?: string;
};

export type ImageConfig = {
  readonly cmd?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly ports?: readonly number[];
  readonly labels?: Readonly<Record<string, string>>;
};

export type PlannedDeploy = {
  readonly environment: string;
  /** File or folder in the tree. */
  readonly manifests: string;
  /** Reference as written in the manifests → name of an image of this plan. */
  readonly images: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /**
   * What it may not bring that the release of its environment does not have: each of them has to hold, that of this file and that of the branch as it was. Absent:
   * nothing fails.
   */
  readonly fail?: readonly ScanLevel[];
};
