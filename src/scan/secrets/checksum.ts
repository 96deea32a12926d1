import { crc32 } from 'node:zlib';

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Six base-62 digits: the CRC-32 with which GitHub's and npm's tokens end, over what stands between prefix and checksum. */
export function base62Checksum(body: string): string {
  let rest = crc32(Buffer.from(body, 'latin1'));
  let text = '';
  while (rest > 0) {
    text = digits.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text.padStart(6, '0');
}
