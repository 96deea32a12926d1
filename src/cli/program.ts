import { Command, CommanderError } from 'commander';
import { WaybillError, isDiskError, isWaybillError, messageOf } from '../kernel/error.ts';
import { groupsOf } from './command-groups.ts';
import type { CliContext } from './context.ts';
import { CouldNotLook } from './scan-output.ts';
import { painter, plain } from './terminal.ts';

/**
 * The commands with their options; nothing runs before it is parsed.
 * @param word the first word of the command that will be parsed; without it, all commands are there
 */
export async function commandLine(context: CliContext, word?: string): Promise<Command> {
  const program = new Command('waybill')
    .description('From a reviewed commit to a running pod. No papers, no entry.')
    .version(context.version)
    .option('--json', 'one JSON value for programs instead of text for people')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.out(text.trimEnd()), writeErr: (text) => context.note(text.trimEnd()) });
  for (const group of groupsOf(word)) (await group.load())(program, context);
  acceptJsonAnywhere(program);
  return program;
}

/** Parses arguments (without node and script) and does what they say; every failure becomes a message and a status. */
export async function runCli(args: readonly string[], context: CliContext): Promise<void> {
  const program = await commandLine(
    context,
    args.find((arg) => arg !== '--json'),
  );
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
