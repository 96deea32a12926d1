import type { Command } from 'commander';
import { WaybillError } from '../../kernel/error.ts';
import { events } from '../../plan/event.ts';
import type { CliContext } from '../context.ts';

/** `waybill run [STAGE|JOB] --event EVENT`: the plan of this checkout, without a server. */
export function runCommand(program: Command, context: CliContext): void {
  program
    .command('run [name]')
    .description('Run the stages of the current checkout here, without a server: all of an event, one stage, or one job')
    .option('--event <event>', events.join(', '), 'change')
    .option('--unsafe-no-sandbox', 'run steps as plain processes where no sandbox works; only for code that you trust', false)
    .action(async (name: string | undefined, options: { event: string; unsafeNoSandbox: boolean }) => {
      if (!(events as readonly string[]).includes(options.event)) {
        throw new WaybillError('INVALID_INPUT', `there is no event ${JSON.stringify(options.event)}`, {
          fix: `One of: ${events.join(', ')}.`,
        });
      }
      const passed = await context.processes.runLocal({
        cwd: context.cwd,
        event: options.event,
        ...(name === undefined ? {} : { only: name }),
        unsafeNoSandbox: options.unsafeNoSandbox,
        colour: context.colour,
        signal: context.signal,
        out: context.out,
        note: context.note,
      });
      if (!passed) context.exitWith(1);
    });
}
