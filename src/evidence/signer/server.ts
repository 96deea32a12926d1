import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/logger.ts';
import { readLines } from './lines.ts';
import { largestReply, largestRequest, requestSchema, type SignerAnswer, type SignerRequest } from './protocol.ts';

export type SignerOptions = {
  /** Path of the Unix socket; whoever may open it may ask for papers. */
  readonly socket: string;
  readonly handle: (request: SignerRequest, signal: AbortSignal) => Promise<SignerAnswer>;
  readonly logger: Logger;
  /** Mode of the socket file; 0600 by default, 0660 when the server runs as another user of one group. */
  readonly mode?: number;
  /** How long one request may take, in milliseconds; 30 seconds by default. */
  readonly deadline?: number;
};

const mostConnections = 64;
const idle = 60_000;

/** Serves the signer's protocol until disposed: requests of one connection one after the other, connections side by side. */
export async function serveSigner(options: SignerOptions): Promise<AsyncDisposable> {
  const { socket: path, logger } = options;
  const stopping = new AbortController();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setTimeout(idle, () => socket.destroy());
    serveConnection(socket, options, stopping.signal)
      .catch((error: unknown) => logger.warn({ error: messageOf(error) }, 'signer: connection ended'))
      .finally(() => {
        sockets.delete(socket);
        socket.destroy();
      });
  });
  server.maxConnections = mostConnections;
  await listen(server, path, options.mode ?? 0o600);
  logger.info({ socket: path }, 'signer: listening');
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort(new WaybillError('CANCELLED', 'the signer is stopping'));
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function serveConnection(socket: Socket, options: SignerOptions, stopping: AbortSignal): Promise<void> {
  for await (const line of readLines(socket, largestRequest)) {
    const reply = `${JSON.stringify(await answer(line, options, stopping))}\n`;
    const tooLarge = Buffer.byteLength(reply) > largestReply;
    const text = tooLarge
      ? `${JSON.stringify({ ok: false, error: new WaybillError('LIMIT_EXCEEDED', `the answer is larger than ${largestReply} bytes`) })}\n`
      : reply;
    if (!socket.write(text)) await once(socket, 'drain', { signal: stopping });
  }
}

async function answer(line: string, { handle, logger, deadline = 30_000 }: SignerOptions, stopping: AbortSignal): Promise<object> {
  let kind = 'unknown';
  try {
    const parsed = requestSchema.safeParse(parseJson(line));
    if (!parsed.success) throw new WaybillError('INVALID_INPUT', 'the signer knows no such request');
    kind = parsed.data.kind;
    using limit = withDeadline(stopping, deadline, `the signer's request ${kind}`);
    const result = await Promise.race([handle(parsed.data, limit.signal), aborted(limit.signal)]);
    logger.debug({ kind }, 'signer: answered');
    return { ok: true, answer: result };
  } catch (error) {
    logger.warn({ kind, error: messageOf(error) }, 'signer: refused');
    // What is no WaybillError may carry anything; its text stays in the signer's log.
    return { ok: false, error: isWaybillError(error) ? error : new WaybillError('INTERNAL', 'the signer failed; its log says how') };
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', 'a request to the signer is not JSON', { cause });
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

/** Binds the socket; a file that a dead signer left is removed, one that answers is another signer. */
async function listen(server: Server, path: string, mode: number): Promise<void> {
  try {
    await bind(server, path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw unusable(path, error);
    if (!(await lstat(path)).isSocket()) throw unusable(path, new Error('there is a file that is no socket'));
    if (await answers(path)) throw new WaybillError('CONFLICT', `another signer listens on ${path}`);
    await unlink(path);
    await bind(server, path, mode).catch((again: unknown) => {
      throw unusable(path, again);
    });
  }
}

async function bind(server: Server, path: string, mode: number): Promise<void> {
  const listening = once(server, 'listening');
  // The file is made within this call: nobody else may open it even for the moment before the chmod.
  const before = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
  await listening;
  await chmod(path, mode);
}

function unusable(path: string, cause: unknown): WaybillError {
  return new WaybillError('INVALID_INPUT', `the signer cannot listen on ${path}: ${messageOf(cause)}`, { cause });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const end = (result: boolean) => {
      probe.destroy();
      resolve(result);
    };
    probe.setTimeout(2_000, () => end(true));
    probe.once('connect', () => end(true)).once('error', () => end(false));
  });
}
