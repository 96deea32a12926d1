import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from './process.ts';

/**
 * What a later process of this Waybill needs to end a job whose process was killed: `folder/jobs/<id>.json`. It is written
 * before the first process starts and on each step. `cookie` is in the environment of unsandboxed steps.
 */
export type JobRecord = { readonly id: string; readonly cookie: string; readonly processes: readonly ProcessIdentity[] };

const suffix = '.json';

/** Synchronous: it must be on disk (of this boot) before the process that it names can do anything, and costs 0.1 ms. */
export function writeRecord(jobs: string, record: JobRecord): void {
  const path = join(jobs, record.id + suffix);
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeRecord(jobs: string, id: string): void {
  rmSync(join(jobs, id + suffix), { force: true });
}

/** Ids of all jobs that have a record or a folder. */
export function listJobs(jobs: string): string[] {
  const names = readdirSync(jobs).map((entry) => entry.replace(/\.json(\.new)?$/, ''));
  return [...new Set(names)].sort();
}

/** undefined when there is none, or when its writing was cut off before the job started a process. */
export function readRecord(jobs: string, id: string): JobRecord | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(jobs, id + suffix), 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isRecord(value: unknown): value is JobRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { id, cookie, processes } = value as Partial<Record<keyof JobRecord, unknown>>;
  return typeof id === 'string' && typeof cookie === 'string' && Array.isArray(processes) && processes.every(isIdentity);
}

function isIdentity(value: unknown): value is ProcessIdentity {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, start } = value as Partial<Record<keyof ProcessIdentity, unknown>>;
  return Number.isInteger(pid) && Number(pid) > 1 && typeof start === 'string';
}
