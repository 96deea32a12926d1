import type { IncomingMessage } from 'node:http';
import { WaybillError } from '../kernel/error.ts';

/** How many bytes of bodies may be held at one moment, over all requests. */
export class BodyBudget {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws WaybillError LIMIT_EXCEEDED */
  take(bytes: number): void {
    if (this.#held + bytes > this.#limit) throw new WaybillError('LIMIT_EXCEEDED', 'too many bodies are being read at once');
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/**
 * The parsed JSON body of a request. Of a key that stands twice the last value counts, as for the API server.
 * @throws WaybillError LIMIT_EXCEEDED, INVALID_INPUT, or the reason of `signal`
 */
export async function readJson(
  request: IncomingMessage,
  options: { readonly bytes: number; readonly budget: BodyBudget; readonly signal: AbortSignal },
): Promise<unknown> {
  const tooLarge = (): WaybillError => new WaybillError('LIMIT_EXCEEDED', `the body has more than ${options.bytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > options.bytes) throw tooLarge();
  let size = 0;
  try {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const chunks: Buffer[] = [];
    const onAbort = (): void => reject(options.signal.reason);
    options.signal.addEventListener('abort', onAbort, { once: true });
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      try {
        options.budget.take(chunk.length);
      } catch (error) {
        size -= chunk.length;
        request.pause();
        reject(error);
        return;
      }
      if (size > options.bytes) {
        request.pause();
        reject(tooLarge());
      }
    });
    request.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0].toString() : Buffer.concat(chunks).toString()));
    request.once('error', reject);
    // Every request closes in the end; only one that was cut off is worth an error and its stack.
    request.once('close', () => request.complete || reject(new WaybillError('CANCELLED', 'the client went away')));
    try {
      return parse(await promise);
    } finally {
      options.signal.removeEventListener('abort', onAbort);
      request.removeAllListeners('data');
      chunks.length = 0;
    }
  } finally {
    options.budget.give(size);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', 'the body is not JSON', { cause });
  }
}
