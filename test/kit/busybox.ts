import { readFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { findProgram, skip } from './needs.ts';

/** A static busybox of this machine: the smallest thing that makes an image run. Skips the test aloud when there is none. */
export async function busybox(t: TestContext): Promise<Uint8Array | undefined> {
  const file = await findProgram('busybox');
  const bytes = file === undefined ? undefined : await readFile(file);
  // A dynamic one names its loader, and does not run in an image that has nothing else.
  if (bytes && !bytes.includes('/lib64/ld-') && !bytes.includes('/lib/ld-')) return bytes;
  skip(t, 'there is no static busybox (Debian: busybox-static)');
  return undefined;
}
