import { spawn, type ChildProcess } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/logger.ts';

export type CgiCall = {
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly maxBodyBytes: number;
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

const maxHeaderBytes = 64 * 1024;
const passedHeaders = new Set(['content-type', 'cache-control', 'expires', 'pragma', 'content-length']);

/**
 * Runs one CGI program (RFC 3875) for one request, streaming both ways. Its process group is killed when the client goes away,
 * the body is too large, the deadline passes, or `signal` aborts. Resolves when the program is gone.
 */
export async function runCgi(call: CgiCall): Promise<void> {
  const { request, response, logger } = call;
  const child = spawn(call.program, [], {
    cwd: '/',
    env: { ...call.environment },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let broken: unknown;
  child.once('error', (cause) => {
    broken = new WaybillError('MISSING_PROGRAM', `git-http-backend: ${messageOf(cause)}`, { cause });
  });
  const end = (error: unknown) => {
    broken ??= error;
    killGroup(child);
  };
  const timer = setTimeout(() => end(new WaybillError('DEADLINE_EXCEEDED', `git took longer than ${call.deadline} ms`)), call.deadline);
  const onAbort = () => end(new WaybillError('CANCELLED', 'the server stops'));
  call.signal.addEventListener('abort', onAbort, { once: true });
  const onClose = () => {
    if (!response.writableFinished) end(new WaybillError('CANCELLED', 'the client went away'));
  };
  response.once('close', onClose);
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-2000);
  });

  const upload = pipeline(request, limitBytes(call.maxBodyBytes), child.stdin).catch((error: unknown) => {
    // Git stops reading when it has said no; that is no failure of ours.
    if (isWriteAfterExit(error)) request.resume();
    else end(error);
  });
  const download = relayAnswer(child.stdout, response).catch(end);
  try {
    await Promise.all([exited, download]);
    // What git did not want of the body is read and dropped, so that the client sees the answer.
    request.unpipe();
    request.resume();
    if (words !== '') logger.debug({ words: words.trim() }, 'git-http-backend said');
    if (broken && !response.headersSent) throw broken;
    if (broken) {
      logger.info({ error: messageOf(broken) }, 'git conversation ended early');
      response.destroy();
    }
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener('abort', onAbort);
    response.off('close', onClose);
    killGroup(child);
    if (broken) request.destroy();
    await upload;
  }
}

function limitBytes(max: number): Transform {
  let count = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      count += chunk.length;
      if (count > max) done(new WaybillError('LIMIT_EXCEEDED', `the request has more than ${max} bytes`));
      else done(null, chunk);
    },
  });
}

function isWriteAfterExit(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET';
}

/** CGI headers, then the body as it is. */
async function relayAnswer(output: Readable, response: ServerResponse): Promise<void> {
  let head = Buffer.alloc(0);
  const iterator: AsyncIterator<Buffer> = output[Symbol.asyncIterator]();
  for (;;) {
    const next = await iterator.next();
    if (next.done) throw new WaybillError('GIT_FAILED', 'git-http-backend ended without an answer');
    head = Buffer.concat([head, next.value]);
    const end = endOfHeaders(head);
    if (end) {
      writeHead(head.subarray(0, end.at).toString('latin1'), response);
      await pipeline(rest(head.subarray(end.body), iterator), response);
      return;
    }
    if (head.length > maxHeaderBytes) throw new WaybillError('GIT_FAILED', 'the headers of git-http-backend have no end');
  }
}

function endOfHeaders(bytes: Buffer): { at: number; body: number } | undefined {
  const crlf = bytes.indexOf('\r\n\r\n');
  if (crlf >= 0) return { at: crlf, body: crlf + 4 };
  const lf = bytes.indexOf('\n\n');
  return lf >= 0 ? { at: lf, body: lf + 2 } : undefined;
}

function writeHead(text: string, response: ServerResponse): void {
  let status = 200;
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'status') status = Number.parseInt(value, 10) || 500;
    else if (passedHeaders.has(name)) response.setHeader(name, value);
  }
  response.setHeader('x-content-type-options', 'nosniff');
  response.writeHead(status);
  response.flushHeaders();
}

async function* rest(first: Buffer, iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  for (;;) {
    const next = await iterator.next();
    if (next.done) return;
    yield next.value;
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: nobody of the group is left.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
