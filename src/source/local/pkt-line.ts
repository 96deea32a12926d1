import { WaybillError } from '../../kernel/error.ts';

/** Git's framing (gitprotocol-common(5)): four hex digits of length, themselves included, then the payload; `0000` is a flush. */
export const flush = '0000';

/** The longest payload is 65516 bytes. @throws WaybillError LIMIT_EXCEEDED */
export function pktLine(text: string): string {
  const length = Buffer.byteLength(text) + 4;
  if (length > 65_520) throw new WaybillError('LIMIT_EXCEEDED', 'a packet line above 65516 bytes');
  return `${length.toString(16).padStart(4, '0')}${text}`;
}

/**
 * Reads packet lines from a byte stream, one list up to the next flush at a time.
 * A stream that ends within a list, a malformed length, or a list above `maxBytes` is an error.
 */
export class PktReader {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #maxBytes: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterator<Buffer>, maxBytes: number) {
    this.#chunks = chunks;
    this.#maxBytes = maxBytes;
  }

  /** Payloads without a final newline. @throws WaybillError INVALID_INPUT, LIMIT_EXCEEDED */
  async list(): Promise<string[]> {
    const lines: string[] = [];
    for (let read = 0; ;) {
      const digits = (await this.#take(4)).toString('latin1');
      if (!/^[0-9a-f]{4}$/i.test(digits)) throw new WaybillError('INVALID_INPUT', 'a malformed packet line');
      const length = Number.parseInt(digits, 16);
      if (length === 0) return lines;
      if (length < 4) throw new WaybillError('INVALID_INPUT', 'an unexpected special packet');
      read += length;
      if (read > this.#maxBytes) throw new WaybillError('LIMIT_EXCEEDED', `more than ${this.#maxBytes} bytes of commands in one push`);
      lines.push((await this.#take(length - 4)).toString('utf8').replace(/\n$/, ''));
    }
  }

  async #take(count: number): Promise<Buffer> {
    const parts = [this.#rest];
    let have = this.#rest.length;
    while (have < count) {
      const next = await this.#chunks.next();
      if (next.done) throw new WaybillError('INVALID_INPUT', 'the packet lines end too early');
      parts.push(next.value);
      have += next.value.length;
    }
    const all = parts.length === 1 ? this.#rest : Buffer.concat(parts, have);
    this.#rest = all.subarray(count);
    return all.subarray(0, count);
  }
}
