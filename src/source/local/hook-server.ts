import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/logger.ts';

/** What a hook in progress can be asked and told. */
export type HookCall = {
  readonly hook: string;
  /** The one-time id from the environment of the http-backend process that the hook runs under. */
  readonly push: string;
  readonly input: AsyncIterator<Buffer>;
  /** To the hook's standard output, which git reads. */
  answer(text: string): void;
  /** To the hook's standard error, which git shows to the pusher as `remote: …`. */
  say(text: string): void;
};

const maxFirstLine = 1024;
const idle = 10 * 60_000;
const maxConnections = 256;

/**
 * Listens on the Unix socket that the hooks connect to (protocol: hook.mjs). `handle` decides the exit code;
 * when it throws, the hook exits with 1 and git accepts nothing.
 */
export async function serveHooks(options: {
  readonly socket: string;
  readonly logger: Logger;
  handle(call: HookCall): Promise<0 | 1>;
}): Promise<AsyncDisposable> {
  const { logger } = options;
  if (Buffer.byteLength(options.socket) > 100)
    throw new WaybillError('INVALID_INPUT', `the path of the hook socket has more than 100 bytes: ${options.socket}`, {
      fix: 'Use a shorter data directory; Unix sockets allow about 100 bytes.',
    });
  await removeStale(options.socket);
  const sockets = new Set<Socket>();
  const calls = new Set<Promise<void>>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.setTimeout(idle, () => socket.destroy());
    socket.on('error', (error) => logger.debug({ error: messageOf(error) }, 'hook connection failed'));
    socket.on('close', () => sockets.delete(socket));
    const call = converse(socket, options.handle, logger).finally(() => calls.delete(call));
    calls.add(call);
  });
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new WaybillError('CONFLICT', `the hook socket ${options.socket} cannot be served: ${messageOf(cause)}`, { cause })),
    );
    server.listen(options.socket, resolve);
  });
  await chmod(options.socket, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await Promise.all([closed, ...calls]);
    },
  };
}

async function converse(socket: Socket, handle: (call: HookCall) => Promise<0 | 1>, logger: Logger): Promise<void> {
  let code: 0 | 1 = 1;
  const send = (letter: string, text: string) => {
    const data = Buffer.from(text);
    const head = Buffer.alloc(5);
    head.write(letter, 0, 'latin1');
    head.writeUInt32BE(data.length, 1);
    if (socket.writable) socket.write(Buffer.concat([head, data]));
  };
  try {
    const chunks: AsyncIterator<Buffer> = socket[Symbol.asyncIterator]();
    const { line, rest } = await firstLine(chunks);
    const { hook, push } = parseFirstLine(line);
    code = await handle({
      hook,
      push,
      input: withFirst(rest, chunks),
      answer: (text) => send('o', text),
      say: (text) => send('e', text),
    });
  } catch (error) {
    logger.warn({ error: messageOf(error) }, 'hook call failed');
    send('e', `Nothing was accepted: ${messageOf(error)}\n`);
  }
  send('x', String(code));
  // The hook may still be writing; what it says no longer matters.
  socket.end(() => socket.destroy());
}

async function firstLine(chunks: AsyncIterator<Buffer>): Promise<{ line: string; rest: Buffer }> {
  let all = Buffer.alloc(0);
  for (;;) {
    const end = all.indexOf(0x0a);
    if (end >= 0) return { line: all.subarray(0, end).toString('utf8'), rest: all.subarray(end + 1) };
    if (all.length > maxFirstLine) throw new WaybillError('INVALID_INPUT', 'the first line of a hook is too long');
    const next = await chunks.next();
    if (next.done) throw new WaybillError('INVALID_INPUT', 'a hook said nothing');
    all = Buffer.concat([all, next.value]);
  }
}

function parseFirstLine(line: string): { hook: string; push: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', 'the first line of a hook is not JSON', { cause });
  }
  const { hook, push } = (parsed ?? {}) as { hook?: unknown; push?: unknown };
  if (typeof hook !== 'string' || typeof push !== 'string') throw new WaybillError('INVALID_INPUT', 'a hook without name or push');
  return { hook, push };
}

async function* withFirst(first: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer, undefined> {
  yield first;
  for (;;) {
    const next = await chunks.next();
    if (next.done) return undefined;
    yield next.value;
  }
}

/** A socket that nobody answers is left from a server that was killed; one that answers is a second server's mistake. */
async function removeStale(path: string): Promise<void> {
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (answered) throw new WaybillError('CONFLICT', `another server answers on ${path}`, { fix: 'Stop it, or use another data directory.' });
  await rm(path, { force: true });
}
