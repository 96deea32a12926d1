import type { IncomingMessage } from 'node:http';
import { ProtocolError } from './protocol-error.ts';

/** Reads a small body. @throws ProtocolError SIZE_INVALID (413), as soon as the limit is passed */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () => new ProtocolError('SIZE_INVALID', `The body has more than ${limit} bytes`, { status: 413 });
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  // The stream is left alive when the loop is left early, so that the refusal can still be sent.
  const body: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
