import type { Digest } from '../kernel/digest.ts';
import type { KubeObject } from '../kube/object.ts';
import type { PullSecret } from './pull-secret.ts';

/**
 * Where releases of one environment run. Contract (deploy/contract.ts runs it over every implementation):
 * - `apply` takes rendered objects (pinned, stamped); what ran before keeps serving until `waitReady` says that the new is ready;
 * - `waitReady` never throws for what the workload does: it says why in one sentence; it ends early when waiting is of no use;
 * - `running` answers from the cluster or the container engine itself, never from memory;
 * - an abort leaves no process and no temporary file behind;
 * - the pull credentials are never in an argument, a message or a file that outlives the call.
 */
export type Target = AsyncDisposable & {
  readonly kind: 'cluster' | 'local';
  /** Can a release run here, and what is left out. Cheap enough for every deploy. */
  preflight(options: CallOptions): Promise<Preflight>;
  /** @throws WaybillError ADMISSION_DENIED with the gate's own words, INVALID_INPUT, CLUSTER_FAILED, ENGINE_FAILED, UNSUPPORTED */
  apply(objects: readonly KubeObject[], options: ApplyOptions): Promise<Applied>;
  waitReady(applied: Applied, options: CallOptions & { readonly timeoutMs: number; onProgress?(line: string): void }): Promise<Readiness>;
  /**
   * Puts a new generation of the pull secret where pods that start from now on find it. `make` is asked once it is sure that it can be put there, and
   * not at all where each pull brings its own. @throws WaybillError CLUSTER_FAILED, NOT_FOUND when the namespace is gone, and what `make` throws
   */
  renewPullSecret(make: () => Promise<PullSecret>, options: CallOptions): Promise<void>;
  /** False when somebody removed it, with its namespace perhaps; true where none is kept. */
  hasPullSecret(options: CallOptions): Promise<boolean>;
  running(options: CallOptions & { readonly repository?: string }): Promise<readonly RunningContainer[]>;
  /** Removes what Waybill deployed here (of one repository, or everything). Returns what was removed: `Deployment web`. */
  remove(options: CallOptions & { readonly repository?: string }): Promise<readonly string[]>;
};

export type CallOptions = { readonly signal?: AbortSignal | undefined };

export type ApplyOptions = CallOptions & {
  /** Needed when the images are in a registry that asks for a login. */
  readonly pullSecret?: PullSecret;
  /** One line for the run's log: what happens now, or what is left out. */
  onProgress?(line: string): void;
};

export type Preflight = { readonly ok: true; readonly details: readonly string[] } | { readonly ok: false; readonly reason: string };

/** What `apply` did, for `waitReady`; JSON-serialisable. */
export type Applied = { readonly workloads: readonly AppliedWorkload[]; readonly services: readonly AppliedService[] };

export type AppliedWorkload = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** What the container engine calls it; the same as `name` in a cluster. */
  readonly id: string;
};

export type AppliedService = { readonly name: string; readonly ports: readonly number[] };

export type Readiness =
  | { readonly ready: true; readonly endpoints: readonly Endpoint[] }
  | { readonly ready: false; /** One sentence. */ readonly why: string };

/** A port of what was deployed, as integration tests reach it. */
export type Endpoint = {
  /** `service/web` or `pod/web-7d9f`. */
  readonly name: string;
  readonly port: number;
  /** `http://127.0.0.1:PORT`, when it can be reached from this host without a key. */
  readonly url?: string;
  /** GET of a path that begins with `/`. At most 16 MiB, 30 s. */
  get(path: string, options?: CallOptions): Promise<EndpointReply>;
};

export type EndpointReply = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer };

export type RunningContainer = {
  /** `Deployment web`. */
  readonly workload: string;
  readonly pod: string;
  readonly container: string;
  /** As the manifest names it. */
  readonly image: string;
  readonly digest?: Digest;
  readonly repository?: string;
  readonly run?: number;
  readonly commit?: string;
};
