import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Digest } from '../../kernel/digest.ts';
import { WaybillError, messageOf } from '../../kernel/error.ts';

/** Beside each index, what it is and where it comes from. The index that counts is the one that this names. */
export const ecosystemState = z.strictObject({
  version: z.literal(1),
  ecosystem: z.string().min(1).max(200),
  /** Name of the index, in the same folder. */
  file: z.string().regex(/^[\w.%-]+\.advisories$/),
  bytes: z.number().int().positive(),
  /** Of the content: equal for the same advisories, whenever they were brought. */
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .transform((text) => text as Digest),
  advisories: z.number().int().min(0),
  packages: z.number().int().min(0),
  /** Files of the export that could not be read as advisories; some of them by name. */
  skipped: z.strictObject({
    count: z.number().int().min(0),
    named: z.array(z.strictObject({ name: z.string(), problem: z.string() })),
  }),
  source: z.string(),
  etag: z.string().optional(),
  lastModified: z.string().optional(),
  /** When the source was last known to be current. */
  updatedAt: z.iso.datetime(),
  /** When the index was made. */
  builtAt: z.iso.datetime(),
});
export type EcosystemState = z.output<typeof ecosystemState>;

export const stateSuffix = '.state.json';

export function stateFile(folder: string, ecosystem: string): string {
  return path.join(folder, `${encodeURIComponent(ecosystem)}${stateSuffix}`);
}

/** Undefined: there is none. @throws WaybillError STORE_FAILED when it cannot be read as one */
export async function readState(file: string): Promise<EcosystemState | undefined> {
  try {
    return ecosystemState.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new WaybillError('STORE_FAILED', `${file}: ${messageOf(cause).slice(0, 500)}`, {
      cause,
      fix: 'Remove the file and bring the advisories again: waybill db update.',
    });
  }
}
