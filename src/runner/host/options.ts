import type { Clock } from '../../kernel/clock.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { Runner } from '../port.ts';

export type HostRunnerOptions = {
  /** State: workspaces live in `folder/jobs/<id>`. One process at a time uses it. */
  readonly folder: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Host folders (or files) bound read-only at the same path, e.g. where node and npm live when not under /usr. */
  readonly toolchains: readonly string[];
  /** PATH inside. */
  readonly path: string;
  /** IPv4 CIDRs that `filtered` jobs may reach besides public addresses. */
  readonly allowAddresses: readonly string[];
  /** Steps run as plain processes of this user. For trying things out; nothing that ran so may be signed. */
  readonly unsafeNoSandbox: boolean;
  readonly limits?: Partial<HostLimits>;
};

export type HostLimits = {
  /** A longer line is split. */
  readonly maxLineBytes: number;
  /** Per step, both streams together; beyond it the step is ended. */
  readonly maxOutputBytes: number;
  /** Of the extracted source, and of every single file that a step writes. */
  readonly maxWorkspaceBytes: number;
  /** Files, folders and links in the source. */
  readonly maxWorkspaceEntries: number;
  /** Processes and threads of one job. */
  readonly maxProcesses: number;
  /** Time between SIGTERM and SIGKILL when a step is cancelled or times out. */
  readonly graceMs: number;
};

export const defaultLimits: HostLimits = {
  maxLineBytes: 64 * 1024,
  maxOutputBytes: 256 * 1024 * 1024,
  maxWorkspaceBytes: 16 * 1024 ** 3,
  maxWorkspaceEntries: 1_000_000,
  maxProcesses: 2048,
  graceMs: 2000,
};

/** `sandboxed` is false with `unsafeNoSandbox`: nothing that ran there may be signed. */
export type HostRunner = Runner & AsyncDisposable & { readonly sandboxed: boolean };
