import type { IncomingMessage, ServerResponse } from 'node:http';

/** `windowMs` is how long a client may fall behind before it is judged. */
export type PaceLimits = { readonly bytesPerSecond: number; readonly windowMs: number };

/** What is written in one piece: only a whole one is seen to have gone out. */
const pieceBytes = 2 ** 20;

/**
 * How far a client had come, and when. `bytes` are those that it took when it is `reading` an answer, and else those that it sent: who sends
 * and does not read stands still.
 */
export type Mark = { readonly bytes: number; readonly at: number; readonly reading: boolean };
/** `waiting`: the server waits for the client. */
export type Moment = Mark & { readonly waiting: boolean };

/**
 * Judges a client that is waited for: it moves at least the minimum in every window. A reader is given the time for a whole piece, for that
 * is as finely as it can be watched.
 * @returns the new mark, or undefined when the client is too slow
 */
export function judgePace(mark: Mark, moment: Moment, { bytesPerSecond, windowMs }: PaceLimits): Mark | undefined {
  const { bytes, at, waiting, reading } = moment;
  if (!waiting || reading !== mark.reading || bytes - mark.bytes >= (bytesPerSecond * windowMs) / 1000) return { bytes, at, reading };
  const allowedMs = reading ? Math.max(windowMs, (pieceBytes / Math.max(1, bytesPerSecond)) * 1000) : windowMs;
  return at - mark.at > allowedMs ? undefined : mark;
}

type Watched = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly tooSlow: () => void;
  mark: Mark;
  works: number;
};

/** A request that is watched, until it is disposed. */
export type Watch = Disposable & {
  /** The server has something to do before it goes on with the client, until what it gives is disposed. */
  atWork(): Disposable;
  /** True when the server is what everything waits for, so that a client cannot be blamed. */
  isBusy(): boolean;
};

/** Watches all requests with one timer, which is there while there are any. */
export class Pace {
  readonly #limits: PaceLimits;
  readonly #watched = new Set<Watched>();
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** Of this process, in milliseconds: while it stood still itself, no client was slow. */
  #time = 0;
  #lookedAt = 0;

  constructor(limits: PaceLimits) {
    this.#limits = limits;
    this.#everyMs = Math.max(10, limits.windowMs / 6);
  }

  /** @param tooSlow is called once at most */
  watch(request: IncomingMessage, response: ServerResponse, tooSlow: () => void): Watch {
    const watched: Watched = { request, response, tooSlow, mark: markOf(request, response, this.#time), works: 0 };
    this.#watched.add(watched);
    if (!this.#timer) {
      this.#lookedAt = performance.now();
      // What has arrived is read before it is judged.
      this.#timer = setInterval(() => setImmediate(() => this.#look()), this.#everyMs).unref();
    }
    return {
      isBusy: () => !isWaiting(watched),
      atWork() {
        watched.works += 1;
        return { [Symbol.dispose]: () => void (watched.works -= 1) };
      },
      [Symbol.dispose]: () => this.#forget(watched),
    };
  }

  #look(): void {
    const present = performance.now();
    this.#time += Math.min(present - this.#lookedAt, 2 * this.#everyMs);
    this.#lookedAt = present;
    for (const watched of this.#watched) {
      const { request, response } = watched;
      const moment = { ...markOf(request, response, this.#time), waiting: isWaiting(watched) };
      const mark = judgePace(watched.mark, moment, this.#limits);
      if (mark) {
        watched.mark = mark;
        continue;
      }
      this.#forget(watched);
      watched.tooSlow();
    }
  }

  #forget(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function markOf({ socket }: IncomingMessage, { headersSent }: ServerResponse, at: number): Mark {
  return { bytes: headersSent ? socket.bytesWritten : socket.bytesRead, at, reading: headersSent };
}

/** The client has yet to send, or to take what was written. */
function isWaiting({ request, response, works }: Watched): boolean {
  return works === 0 && (!request.complete || response.writableLength > 0);
}
