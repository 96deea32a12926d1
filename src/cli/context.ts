import type { Client } from '../api/client.ts';
import type { Secret } from '../kernel/secret.ts';
import type { EcosystemUpdate, UpdateProgress } from '../scan/advisories/update.ts';
import type { PullSecretObject } from './pull-secret-object.ts';
import type { LocalBuild, LocalBuildOptions } from './local-build.ts';

/** What a command gets from `main`: nothing below reads the environment, writes to the process' streams or exits. */
export type CliContext = {
  readonly cwd: string;
  readonly version: string;
  /** Colour only on a terminal, and not under NO_COLOR. */
  readonly colour: boolean;
  readonly interactive: boolean;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** One line to standard output. */
  out(line: string): void;
  /** One line to standard error: progress, warnings. */
  note(line: string): void;
  readStdin(): Promise<string>;
  /** As it comes, however much it is. */
  stdin(): AsyncIterable<Buffer>;
  /** The status the process ends with; 0 unless a command says otherwise. */
  exitWith(status: number): void;
  /** A client for the server that the user is logged in at. @throws WaybillError UNAUTHENTICATED */
  client(): Promise<Client>;
  /** Where that client logs in, and as whom: for the registry and git. */
  credentials(): Promise<{ url: string; token: Secret }>;
  readonly login: { save(url: string, token: Secret): Promise<string>; forget(): Promise<void> };
  /** Files in which `docker login` and `podman login` leave logins at registries, in the order of their rank. */
  readonly registryLogins: readonly string[];
  /** Default of `--data`. */
  readonly data: string;
  /** Default of `--database`: where this user keeps advisories. */
  readonly advisories: string;
  /** What starts or stops something long-lived, or touches a data directory: wired by `main`. */
  readonly processes: Processes;
};

export type Processes = {
  init(options: {
    data: string;
    url?: string;
    port?: number;
    admin: string;
    email: readonly string[];
  }): Promise<{ token: Secret; url: string; folder: string }>;
  server(options: { data: string; signal: AbortSignal; onReady(url: string): void }): Promise<void>;
  signer(options: { data: string; untilStdinEnds: boolean; signal: AbortSignal; onReady(socket: string): void }): Promise<void>;
  admission(options: AdmissionOptions & { signal: AbortSignal; onReady(url: string): void }): Promise<void>;
  registryServe(options: { data: string; host: string; port: number; signal: AbortSignal; onReady(url: string): void }): Promise<void>;
  applyPullSecret(options: { kubeconfig: string; secret: PullSecretObject; signal: AbortSignal }): Promise<void>;
  backup(options: { data: string; to: string; signal: AbortSignal }): Promise<{ bytes: number; files: number }>;
  restore(options: { data: string; from: string; signal: AbortSignal }): Promise<{ files: number }>;
  /** Brings advisories into a folder. */
  updateAdvisories(options: AdvisoryUpdate): Promise<readonly EcosystemUpdate[]>;
  /** Runs stages of a checkout without a server. */
  runLocal(options: LocalRunOptions): Promise<boolean>;
  /** Builds images of a checkout without a server. */
  buildImages(options: LocalBuildOptions): Promise<readonly LocalBuild[]>;
};

export type AdvisoryUpdate = {
  readonly folder: string;
  /** An address (`https://…`) or a folder; by default OSV's own exports. */
  readonly from?: string;
  readonly ecosystems?: readonly string[];
  /** When the source is known to be current. */
  readonly asOf?: Date;
  readonly signal: AbortSignal;
  progress(event: UpdateProgress): void;
};

export type AdmissionOptions = {
  /** Folder for certificates and the copy of the snapshot. */
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  /** URL of the Waybill server, or a file that holds its snapshot. */
  readonly source: string;
  /** File with the public keys (`waybill keys`), pinned: never fetched from the server that it is to judge. */
  readonly keys: string;
  /** File with the policies (`waybill policy`), pinned like the keys. */
  readonly policy: string;
  /** Names and addresses in the serving certificate. */
  readonly names: readonly string[];
};

export type LocalRunOptions = {
  readonly cwd: string;
  readonly event: string;
  readonly only?: string;
  readonly unsafeNoSandbox: boolean;
  readonly colour: boolean;
  readonly signal: AbortSignal;
  out(line: string): void;
  note(line: string): void;
};
