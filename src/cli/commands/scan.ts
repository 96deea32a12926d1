import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { scanDepsCommand } from './scan-deps.ts';
import { scanImageCommand } from './scan-image.ts';
import { scanSecretsCommand } from './scan-secrets.ts';

/** `waybill scan …`: each kind of scan adds itself. */
export function scanCommands(program: Command, context: CliContext): void {
  const scan = program.command('scan').description('Look for credentials, vulnerable libraries, and what should not be in an image');
  scanSecretsCommand(scan, program, context);
  scanDepsCommand(scan, program, context);
  scanImageCommand(scan, program, context);
}
