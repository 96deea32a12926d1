import path from 'node:path';
import { Option, type Command } from 'commander';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { addScanOptions, scanAction, tellScan } from '../scan-output.ts';
import type { SecretOptions } from '../secret-options.ts';

/** `waybill scan secrets`. */
export function scanSecretsCommand(scan: Command, program: Command, context: CliContext): void {
  const command = scan
    .command('secrets [path]')
    .description('Look for credentials in a folder, in what Git knows, or in standard input (-)')
    .addOption(new Option('--history', 'every version of every file in all branches and tags, each once').conflicts(['range', 'staged']))
    .addOption(new Option('--range <commits>', 'what the commits A..B add').conflicts('staged'))
    .option('--staged', 'what the next commit would add')
    .option('--no-ignored', 'leave out what Git ignores')
    .option('--rules <file>', 'rules instead of those of the repository: its own format, or gitleaks.toml')
    .option('--all', 'with --history: what was scanned before too')
    .option('--waive <rule:fingerprint>', 'accept this finding: write it to .waybill/waivers.yaml')
    .option('--reason <text>', 'with --waive: why')
    .option('--owner <name>', 'with --waive: who answers for it')
    .option('--expires <day>', 'with --waive: until when, YYYY-MM-DD');
  addScanOptions(command).action(
    scanAction(async (where: string | undefined, options: SecretOptions) => {
      if (where !== undefined && (options.history || options.range !== undefined || options.staged) && where === '-')
        throw new WaybillError('INVALID_INPUT', 'standard input has no history', { fix: 'Give a folder, or -, alone.' });
      const { runSecretScan } = await import('../scan-secrets.ts');
      const { report, verdict, waived } = await runSecretScan(context, where, options);
      if (waived !== undefined) {
        context.note(
          `Written to ${path.relative(context.cwd, waived) || waived}. It counts when it is reviewed and merged like everything else.`,
        );
        return;
      }
      await tellScan(context, program, options, report, verdict);
    }),
  );
}
