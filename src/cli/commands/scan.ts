import type { Command } from 'commander';
import type { CliContext } from '../context.ts';

/** `waybill scan …`: each kind of scan adds itself. */
export function scanCommands(program: Command, _context: CliContext): void {
  program.command('scan').description('Look for credentials, vulnerable libraries, and what should not be in an image');
}
