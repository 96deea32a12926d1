import type { Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import type { CliContext } from '../context.ts';
import { show } from '../output.ts';
import { plain } from '../terminal.ts';

const colours = { good: 'green', bad: 'red', untold: 'yellow' } as const;
const words = {
  closed: 'nobody but the pipeline can push',
  open: 'SOMEBODY BESIDES THE PIPELINE CAN PUSH',
  unknown: 'who else can push is not known',
} as const;

/** `waybill audit registry`: who besides the pipeline holds a key. */
export function auditCommands(program: Command, context: CliContext): void {
  program
    .command('audit')
    .description('Who besides the pipeline holds a key')
    .command('registry [names...]')
    .description('Who else can push: tried, asked, or said to be unknown; status 1 when somebody can')
    .action(async (names: string[]) => {
      const findings = await (await context.client()).call(endpoints.auditRegistries, { body: { names } });
      if (findings.some((finding) => finding.outcome === 'open')) context.exitWith(1);
      show(context, program, findings, (paint) =>
        findings.flatMap(({ registry, server, outcome, facts }) => [
          `${paint('bold', `${plain(registry)} ${plain(server)}`)}: ${words[outcome]}`,
          ...facts.map(({ kind, text }) => `  ${paint(colours[kind], kind.padEnd(6))}  ${plain(text)}`),
        ]),
      );
    });
}
