import { setImmediate as breathe } from 'node:timers/promises';
import { z } from 'zod';
import { messageOf } from '../../kernel/error.ts';
import type { EcosystemState } from './database-state.ts';
import { osvRecord } from './osv-record.ts';
import type { OsvRecord } from './osv-record.ts';
import type { RecordFile } from './record-files.ts';

export type SkippedRecords = EcosystemState['skipped'];

const mostNamed = 100;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Gives every readable record to `into`. One that is damaged is counted and named, and ends nothing. */
export async function readRecords(
  files: AsyncIterable<RecordFile>,
  into: { add(record: OsvRecord): Promise<void> },
  signal: AbortSignal,
  progress: (records: number) => void,
): Promise<SkippedRecords> {
  const named: { name: string; problem: string }[] = [];
  let count = 0;
  let records = 0;
  let last = performance.now();
  for await (const { name, content } of files) {
    const parsed = Buffer.isBuffer(content) ? parse(content) : content;
    if ('problem' in parsed) {
      count++;
      if (named.length < mostNamed) named.push({ name: name.slice(0, 200), problem: parsed.problem.slice(0, 300) });
    } else await into.add(parsed.record);
    records++;
    // Others get their turn, and whoever watches hears something.
    if (performance.now() - last > 10) {
      if (records % 50 === 0) progress(records);
      await breathe();
      signal.throwIfAborted();
      last = performance.now();
    }
  }
  progress(records);
  return { count, named: named.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function parse(content: Buffer): { readonly record: OsvRecord } | { readonly problem: string } {
  try {
    const result = osvRecord.safeParse(JSON.parse(utf8.decode(content)));
    if (result.success) return { record: result.data };
    return { problem: z.prettifyError(result.error).split('\n').slice(0, 2).join(' ') };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}
