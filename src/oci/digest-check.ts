import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';

/**
 * Passes bytes through and fails at the end when digest or size is not the expected one; more bytes than expected fail at once.
 * Whoever reads must not use what came before the `end` event as if it were checked.
 */
export function digestCheck(expected: { readonly digest: Digest; readonly size?: number }, what: string): Transform {
  const hash = createHash('sha256');
  let size = 0;
  const checked = new Transform({
    readableHighWaterMark: 1024 * 1024,
    writableHighWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, callback) {
      size += chunk.length;
      if (expected.size !== undefined && size > expected.size)
        return callback(new WaybillError('DIGEST_MISMATCH', `${what} has more than the expected ${expected.size} bytes`));
      hash.update(chunk);
      callback(null, chunk);
    },
    flush(callback) {
      const actual = `sha256:${hash.digest('hex')}`;
      if (expected.size !== undefined && size !== expected.size)
        return callback(new WaybillError('DIGEST_MISMATCH', `${what} has ${size} bytes; expected were ${expected.size}`));
      if (actual !== expected.digest)
        return callback(new WaybillError('DIGEST_MISMATCH', `${what} is ${actual}; expected was ${expected.digest}`));
      callback();
    },
  });
  // It may fail before its reader begins (a small blob, a reader that opens a file first). The stream keeps the error for whoever reads;
  // without a listener it would end the process instead.
  checked.on('error', () => undefined);
  return checked;
}
