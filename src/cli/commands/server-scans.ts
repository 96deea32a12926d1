import type { Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import { scanReport } from '../../api/scan-report.ts';
import type { AdvisoryStateView } from '../../api/scan-views.ts';
import type { CliContext } from '../context.ts';
import { show } from '../output.ts';
import { plain } from '../terminal.ts';

/** A first update, or a long history. */
const longMs = 3_600_000;

/** `waybill repo history`, `waybill advisories list | update`: what a server scans besides its runs, and with what. */
export function serverScanCommands(program: Command, repo: Command, context: CliContext): void {
  repo
    .command('history <name>')
    .description('Credentials in all that the branches, tags and changes of a repository ever held, as the server last looked for them')
    .option('--scan', 'look now; for administrators')
    .action(async (name: string, options: { scan?: true }) => {
      const client = await context.client();
      if (options.scan) context.note('Looking through the whole history; what was clean before is not read again.');
      const view = await client.call(options.scan ? endpoints.scanHistory : endpoints.showHistoryScan, {
        params: { name },
        timeoutMs: longMs,
      });
      show(context, program, view, () => scanReport([view]).split('\n').map(plain));
    });

  const advisories = program.command('advisories').description('The advisories that the server looks libraries and packages up in');
  advisories
    .command('list', { isDefault: true })
    .description('How many there are, and how old')
    .action(async () => print(await (await context.client()).call(endpoints.listAdvisories)));
  advisories
    .command('update')
    .description('Bring them up to date, from where the server’s configuration says; for administrators')
    .action(async () => {
      context.note('This takes minutes the first time.');
      const results = await (await context.client()).call(endpoints.updateAdvisories, { body: {}, timeoutMs: longMs });
      print(results);
      if (results.some((each) => each.outcome === 'failed')) context.exitWith(1);
    });

  const print = (states: readonly AdvisoryStateView[]) =>
    show(context, program, states, (_paint, table) =>
      states.length === 0
        ? ['The server has no advisories: scans of anything that would be looked up in them fail. waybill advisories update']
        : table(
            ['ECOSYSTEM', 'ADVISORIES', 'PACKAGES', 'CURRENT AS OF', ''],
            states.map((each) => [
              plain(each.ecosystem),
              String(each.advisories ?? ''),
              String(each.packages ?? ''),
              each.updatedAt ?? '',
              each.error === undefined ? (each.outcome ?? '') : `failed: ${plain(each.error)}`,
            ]),
          ),
    );
}
