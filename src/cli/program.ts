import { Command, CommanderError } from 'commander';
import { WaybillError, isDiskError, isWaybillError, messageOf } from '../kernel/error.ts';
import { adminCommands } from './commands/admin.ts';
import { admissionCommands } from './commands/admission.ts';
import { auditCommands } from './commands/audit.ts';
import { changeCommands } from './commands/changes.ts';
import { databaseCommands } from './commands/database.ts';
import { evidenceCommands } from './commands/evidence.ts';
import { hookCommands } from './commands/hook.ts';
import { imageCommands } from './commands/image.ts';
import { lintCommands } from './commands/lint.ts';
import { loginCommands } from './commands/login.ts';
import { processCommands } from './commands/processes.ts';
import { pullSecretCommands } from './commands/pull-secret.ts';
import { registryCommands } from './commands/registry.ts';
import { runCommand } from './commands/run.ts';
import { runsCommands } from './commands/runs.ts';
import { sbomCommand } from './commands/sbom.ts';
import { scanCommands } from './commands/scan.ts';
import { traceCommands } from './commands/trace.ts';
import { whereCommand } from './commands/where.ts';
import type { CliContext } from './context.ts';
import { CouldNotLook } from './scan-output.ts';
import { painter, plain } from './terminal.ts';

/** Every command with its options; nothing runs before it is parsed. */
export function commandLine(context: CliContext): Command {
  const program = new Command('waybill')
    .description('From a reviewed commit to a running pod. No papers, no entry.')
    .version(context.version)
    .option('--json', 'one JSON value for programs instead of text for people')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.out(text.trimEnd()), writeErr: (text) => context.note(text.trimEnd()) });
  processCommands(program, context);
  loginCommands(program, context);
  adminCommands(program, context);
  lintCommands(program, context);
  runCommand(program, context);
  imageCommands(program, context);
  changeCommands(program, context);
  runsCommands(program, context);
  evidenceCommands(program, context);
  admissionCommands(program, context);
  pullSecretCommands(program, context);
  registryCommands(program, context);
  auditCommands(program, context);
  scanCommands(program, context);
  hookCommands(program, context);
  sbomCommand(program, context);
  databaseCommands(program, context);
  traceCommands(program, context);
  whereCommand(program, context);
  acceptJsonAnywhere(program);
  return program;
}

/** Parses arguments (without node and script) and does what they say; every failure becomes a message and a status. */
export async function runCli(args: readonly string[], context: CliContext): Promise<void> {
  const program = commandLine(context);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    const looked = !(error instanceof CouldNotLook);
    report(looked ? error : error.cause, context, program.opts<{ json?: boolean }>().json === true);
    if (!looked) context.exitWith(2);
  }
}

/** `waybill change list --json` as well as `waybill --json change list`. */
function acceptJsonAnywhere(program: Command): void {
  const walk = (command: Command) => {
    for (const child of command.commands) {
      if (child.commands.length === 0) {
        child.option('--json', 'one JSON value for programs');
        child.hook('preAction', (_, action) => {
          if (action.opts<{ json?: boolean }>().json) program.setOptionValue('json', true);
        });
      }
      walk(child);
    }
  };
  walk(program);
}

function report(thrown: unknown, context: CliContext, json: boolean): void {
  if (thrown instanceof CommanderError) {
    context.exitWith(thrown.exitCode === 0 ? 0 : 2);
    return;
  }
  context.exitWith(1);
  if (context.signal.aborted) return;
  const paint = painter(context.colour);
  const error = isDiskError(thrown) ? new WaybillError('STORE_FAILED', messageOf(thrown), { cause: thrown }) : thrown;
  if (isWaybillError(error)) {
    if (json) context.out(JSON.stringify({ error }));
    context.note(`${paint('red', 'error')} ${error.title}: ${plain(error.detail)}`);
    context.note(`${paint('cyan', '  fix')} ${plain(error.fix)}`);
    return;
  }
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  context.note(`${paint('red', 'error')} Internal error. This is a defect in Waybill.\n${cause}`);
}
