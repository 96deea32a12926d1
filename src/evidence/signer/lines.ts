import type { Socket } from 'node:net';
import { WaybillError } from '../../kernel/error.ts';

/** Lines of a socket, each at most `limit` bytes, without their newline. What follows the last newline is dropped: it is no whole line. */
export async function* readLines(socket: Socket, limit: number): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    let rest = chunk;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      if (length + at > limit) throw tooLong(limit);
      yield Buffer.concat([...parts, rest.subarray(0, at)]).toString();
      [parts, length, rest] = [[], 0, rest.subarray(at + 1)];
    }
    length += rest.length;
    if (length > limit) throw tooLong(limit);
    if (rest.length > 0) parts.push(rest);
  }
}

function tooLong(limit: number): WaybillError {
  return new WaybillError('LIMIT_EXCEEDED', `a line of the signer's protocol is longer than ${limit} bytes`);
}
