import { once, EventEmitter } from 'node:events';
import { mkdir, open, readdir, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError, messageOf } from '../kernel/error.ts';
import type { RunId } from '../kernel/ids.ts';

/** Which log of a run: `['stage', 'lint', 'lint']`, `['scan', 'secrets']`, `['image', 'shop']`, `['deploy', 'staging']`. */
export type LogName = readonly [kind: 'stage' | 'scan' | 'image' | 'deploy', ...rest: string[]];
export type LogStream = 'stdout' | 'stderr' | 'waybill';
export type LogLine = { readonly at: string; readonly stream: LogStream; readonly text: string };

export type LogWriter = AsyncDisposable & {
  /** Never blocks; `text` must not contain a line break. */
  line(stream: LogStream, text: string, at: Date): void;
};

/**
 * Append-only files outside the database, one a log: `<time> <stream> <text>` a line. A line is on disk before a follower sees it, so what
 * somebody saw is never gone after a crash.
 */
export type Logs = {
  writer(run: RunId, name: LogName): Promise<LogWriter>;
  names(run: RunId): Promise<readonly LogName[]>;
  /** All lines from the beginning; with `follow` it goes on until the writer is closed. */
  read(run: RunId, name: LogName, options?: { follow?: boolean; signal?: AbortSignal }): AsyncIterable<LogLine>;
};

export function openLogs(folder: string): Logs {
  const active = new Map<string, EventEmitter>();
  const fileOf = (run: RunId, name: LogName) => path.join(folder, String(run), `${name.map(encodeURIComponent).join('+')}.log`);

  return {
    async writer(run, name) {
      const file = fileOf(run, name);
      await mkdir(path.dirname(file), { recursive: true, mode: 0o750 });
      const handle = await open(file, 'a', 0o640);
      const bell = new EventEmitter();
      bell.setMaxListeners(0);
      active.set(file, bell);
      return lineWriter(handle, bell, () => active.delete(file));
    },
    async names(run) {
      const files = await readdir(path.join(folder, String(run))).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      });
      return files.sort().map(
        (file) =>
          file
            .replace(/\.log$/, '')
            .split('+')
            .map(decodeURIComponent) as unknown as LogName,
      );
    },
    async *read(run, name, options = {}) {
      const file = fileOf(run, name);
      const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') throw new WaybillError('NOT_FOUND', `run ${run} has no log ${name.join('/')}`, { cause });
        throw cause;
      });
      try {
        let rest = '';
        let position = 0;
        const buffer = Buffer.allocUnsafe(256 * 1024);
        const decoder = new TextDecoder();
        for (;;) {
          const bell = options.follow ? active.get(file) : undefined;
          // Asked for before reading: a line written after the read rings a bell that is already being listened to.
          const rung = bell ? once(bell, 'ring', options.signal ? { signal: options.signal } : {}) : undefined;
          rung?.catch(() => undefined);
          for (;;) {
            options.signal?.throwIfAborted();
            const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
            if (bytesRead === 0) break;
            position += bytesRead;
            const lines = (rest + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split('\n');
            rest = lines.pop() ?? '';
            for (const line of lines) yield parseLine(line);
          }
          if (!rung) return;
          await rung;
        }
      } finally {
        await handle.close();
      }
    },
  };
}

function lineWriter(handle: FileHandle, bell: EventEmitter, closed: () => void): LogWriter {
  let pending: string[] = [];
  let writing: Promise<void> | undefined;
  let failure: unknown;
  const drain = async () => {
    while (pending.length > 0) {
      const batch = pending.join('');
      pending = [];
      await handle.appendFile(batch);
      bell.emit('ring');
    }
  };
  const flush = () => {
    writing ??= drain()
      .catch((error: unknown) => {
        failure ??= error;
        pending = [];
      })
      .finally(() => {
        writing = undefined;
      });
  };
  return {
    line(stream, text, at) {
      pending.push(`${at.toISOString()} ${stream} ${text}\n`);
      flush();
    },
    async [Symbol.asyncDispose]() {
      for (let batch = writing; batch; batch = writing) await batch;
      await handle.close();
      closed();
      bell.emit('ring');
      if (failure !== undefined)
        throw new WaybillError('STORE_FAILED', `a log could not be written: ${messageOf(failure)}`, { cause: failure });
    },
  };
}

function parseLine(line: string): LogLine {
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  return { at: line.slice(0, first), stream: line.slice(first + 1, second) as LogStream, text: line.slice(second + 1) };
}
