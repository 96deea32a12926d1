import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { WaybillError } from '../kernel/error.ts';

/**
 * The control socket of a running server (mode 0600, for the data directory's owner): proves that it runs, and holds back merges and pushes
 * while a backup copies what must fit together. One word a line: `hold` → `held`, until the connection closes or the limit is over.
 */
const holdLimitMs = 5 * 60_000;

export async function serveControl(socket: string, hold: () => Promise<Disposable>): Promise<AsyncDisposable> {
  if (await answers(socket))
    throw new WaybillError('CONFLICT', 'a server runs on this data directory already', { fix: 'Stop it first, or use another --data.' });
  await rm(socket, { force: true });
  const open = new Set<Socket>();
  const server = createServer((connection) => {
    open.add(connection);
    connection.on('close', () => open.delete(connection));
    connection.on('error', () => connection.destroy());
    // By the clock, not by silence: nobody holds the server for longer by talking to it.
    const limit = setTimeout(() => connection.destroy(), holdLimitMs);
    connection.once('close', () => clearTimeout(limit));
    connection.once('data', async (data) => {
      if (data.toString('utf8').trim() !== 'hold') return connection.end('unknown\n');
      const held = await hold();
      connection.once('close', () => held[Symbol.dispose]());
      if (connection.destroyed) held[Symbol.dispose]();
      return connection.write('held\n');
    });
  });
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socket, resolve);
    });
  } finally {
    process.umask(umask);
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const connection of open) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A server that holds. `check` throws CONFLICT when it has let go, so that what was copied meanwhile need not fit together. */
export type Held = Disposable & { check(): void };

/** Asks a running server to hold; `undefined` when none runs. */
export async function holdServer(socket: string, signal: AbortSignal): Promise<Held | undefined> {
  const connection = connect({ path: socket, signal });
  let open = true;
  connection.on('error', () => undefined).once('close', () => (open = false));
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once('error', reject);
      connection.once('data', (data) =>
        data.toString('utf8').trim() === 'held' ? resolve() : reject(new Error('the server did not hold')),
      );
      connection.once('close', () => reject(new Error('the server closed the connection')));
      connection.write('hold\n');
    });
  } catch (cause) {
    connection.destroy();
    signal.throwIfAborted();
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
    throw new WaybillError('CONFLICT', 'the running server did not answer on its control socket', { cause });
  }
  return {
    check() {
      if (!open) throw new WaybillError('CONFLICT', 'the server took up pushes and merges again before everything was copied');
    },
    [Symbol.dispose]: () => connection.destroy(),
  };
}

async function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket, () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}
