import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { painter, table, type Paint } from './terminal.ts';

/** Said where a verdict rests on keys that nobody has pinned. */
export const serverKeys = 'The public keys are those that the server gave just now; --keys FILE pins them (waybill keys > FILE, once).';

/** True under `--json`, given before or after the command. */
export function wantsJson(program: Command): boolean {
  return program.opts<{ json?: boolean }>().json === true;
}

/** One JSON line for programs, or lines for people. */
export function show(
  context: CliContext,
  program: Command,
  value: unknown,
  lines: (paint: Paint, rows: (header: readonly string[], rows: readonly (readonly string[])[]) => string[]) => readonly string[],
): void {
  if (wantsJson(program)) {
    context.out(JSON.stringify(value));
    return;
  }
  const paint = painter(context.colour);
  for (const line of lines(paint, (header, rows) => table(paint, header, rows))) context.out(line);
}
