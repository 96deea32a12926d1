import { systemClock } from '../../kernel/clock.ts';
import type { Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import { sinceCounts, sinceTitle } from '../../api/since-report.ts';
import type { ChangeView } from '../../api/change-views.ts';
import type { CliContext } from '../context.ts';
import { wholeNumber } from '../input.ts';
import { show } from '../output.ts';
import { tellScans } from '../run-scans.ts';
import { badge, plain, type Paint } from '../terminal.ts';

/** `waybill change list | show | approve | reject | merge | abandon`. */
export function changeCommands(program: Command, context: CliContext): void {
  const change = program.command('change').description('Proposed changes and their reviews');
  const print = (view: ChangeView) => show(context, program, view, (paint) => describe(paint, view));

  change
    .command('list')
    .description('List changes, newest first')
    .option('--repository <name>')
    .option('--state <state>', 'open, merged or abandoned')
    .action(async (options: { repository?: string; state?: 'open' }) => {
      const all = await (await context.client()).call(endpoints.listChanges, { query: options });
      show(context, program, all, (paint, table) =>
        table(
          ['ID', 'STATE', 'REPOSITORY', 'TITLE', 'BY', 'VERSION', 'TESTS'],
          all.map((c) => [
            String(c.id),
            badge(paint, c.state),
            c.repository,
            plain(c.title),
            c.versions[0]?.pusher ?? '',
            String(c.versions.length),
            badge(paint, c.runs[0]?.status ?? 'waiting'),
          ]),
        ),
      );
    });
  change
    .command('show <id>')
    .description('Show a change: versions, reviews, runs')
    .action(async (id: string) => print(await (await context.client()).call(endpoints.showChange, { params: { id: wholeNumber(id) } })));
  change
    .command('report <id>')
    .description('What the scans say of the newest version, and what is new in it since the last release of each environment, as Markdown')
    .action(async (id: string) => {
      const client = await context.client();
      const view = await client.call(endpoints.showChange, { params: { id: wholeNumber(id) } });
      await tellScans(context, program, client, newestRun(view));
    });
  change
    .command('approve <id>')
    .description('Approve the newest version')
    .option('-m, --comment <text>', 'what you want to say', '')
    .option('--head <commit>', 'approve only if this is still the newest version')
    .action(async (id: string, options: { comment: string; head?: string }) => {
      const client = await context.client();
      const params = { id: wholeNumber(id) };
      // Said before it is done, and bound to it: a version that comes in between is not approved unseen.
      const view = await client.call(endpoints.showChange, { params });
      const newest = view.versions.at(-1);
      if (options.head === undefined && newest)
        context.note(`Approving version ${newest.version}, ${newest.head}, pushed by ${newest.pusher} at ${newest.pushedAt}`);
      const run = newestRun(view);
      const since = run === undefined ? [] : await client.call(endpoints.showSince, { params: { id: run } });
      for (const each of since) context.note(`${sinceTitle(each, systemClock.now())}: ${sinceCounts(each.found)}`);
      const head = options.head ?? newest?.head;
      print(await client.call(endpoints.approveChange, { params, body: { ...options, ...(head === undefined ? {} : { head }) } }));
    });
  change
    .command('reject <id>')
    .description('Reject the newest version')
    .option('-m, --comment <text>', 'why', '')
    .action(async (id: string, options: { comment: string }) =>
      print(await (await context.client()).call(endpoints.rejectChange, { params: { id: wholeNumber(id) }, body: options })),
    );
  change
    .command('abandon <id>')
    .description('Give a change up')
    .action(async (id: string) => print(await (await context.client()).call(endpoints.abandonChange, { params: { id: wholeNumber(id) } })));
  change
    .command('merge <id>')
    .description('Merge an approved, tested change')
    .action(async (id: string) => {
      const done = await (await context.client()).call(endpoints.mergeChange, { params: { id: wholeNumber(id) } });
      show(context, program, done, (paint) => [
        ...describe(paint, done.change),
        '',
        `Run ${done.run} builds and deploys the merged commit: waybill runs watch ${done.run}`,
      ]);
    });
}

/** The run that tests the newest version. */
function newestRun({ versions, runs }: ChangeView): number | undefined {
  const newest = versions.at(-1)?.version;
  return runs.find((each) => each.event === 'change' && each.version === newest)?.id;
}

function describe(paint: Paint, view: ChangeView): string[] {
  return [
    `${paint('bold', `Change ${view.id}`)} ${plain(view.title)}  ${badge(paint, view.state)}`,
    paint('dim', `${view.repository} → ${view.branch}`),
    ...view.versions.map((v) => {
      const run = view.runs.find((r) => r.version === v.version && r.event === 'change');
      return `  version ${v.version}  ${v.head.slice(0, 12)}  by ${v.pusher}  ${run ? `run ${run.id} ${badge(paint, run.status)}` : 'no run'}`;
    }),
    ...view.reviews.map(
      (r) =>
        `  ${r.verdict === 'approve' ? paint('green', 'approved') : paint('red', 'rejected')} by ${r.reviewer} (version ${r.version}${r.current ? '' : ', void'})${r.comment ? `: ${plain(r.comment)}` : ''}`,
    ),
    ...(view.merge ? [`  merged by ${view.merge.mergedBy} as ${view.merge.commit.slice(0, 12)} (${view.merge.method})`] : []),
  ];
}
