import { closeSync, constants, lchownSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Owner } from './owner.ts';
import { runProgram } from './programs.ts';

const names = ['stdout', 'stderr'] as const;
export type StreamName = (typeof names)[number];

/**
 * Named pipes for a job's output. Node would give a child sockets, and then a step cannot `echo > /dev/stderr`; nor can it when
 * the pipe belongs to another user. They lie in the job's folder, outside of what the step sees.
 */
export async function makeOutputPipes(folder: string, owner: Owner, signal: AbortSignal): Promise<void> {
  const paths = names.map((name) => join(folder, name));
  await runProgram('mkfifo', ['-m', '600', '--', ...paths], { signal });
  if (owner.separate) for (const path of paths) lchownSync(path, owner.uid, owner.gid);
}

/** Opens one for one step: `write` goes to the child and is closed by `closeWrite`; `read` ends when the last writer is gone. */
export function openOutputPipe(folder: string, name: StreamName): { read: Socket; write: number; closeWrite(): void } {
  const path = join(folder, name);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // non-blocking: it would wait for a writer
  let write: number;
  try {
    write = openSync(path, constants.O_WRONLY);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { read: new Socket({ fd, readable: true, writable: false }), write, closeWrite: () => closeSync(write) };
}
