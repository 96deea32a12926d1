import type { Command } from 'commander';
import type { Client } from '../../api/client.ts';
import { endpoints } from '../../api/endpoints.ts';
import { sinceCounts } from '../../api/since-report.ts';
import type { RunView } from '../../api/run-views.ts';
import type { CliContext } from '../context.ts';
import { wholeNumber } from '../input.ts';
import { show, wantsJson } from '../output.ts';
import { tellScans } from '../run-scans.ts';
import { badge, lasted, painter, plain, type Paint } from '../terminal.ts';

const over = (status: string) => status !== 'waiting' && status !== 'running';

/** `waybill runs list | show | watch | log | cancel`: runs of the server. */
export function runsCommands(program: Command, context: CliContext): void {
  const runs = program.command('runs').description('Runs of the server');
  runs
    .command('list', { isDefault: true })
    .description('List runs, newest first')
    .option('--repository <name>')
    .option('--change <id>', 'only those of a change', wholeNumber)
    .action(async (options: { repository?: string; change?: number }) => {
      const all = await (await context.client()).call(endpoints.listRuns, { query: options });
      show(context, program, all, (paint, table) =>
        table(
          ['RUN', 'STATUS', 'REPOSITORY', 'EVENT', 'CHANGE', 'COMMIT', 'CREATED'],
          all.map((r) => [
            String(r.id),
            badge(paint, r.status),
            r.repository,
            r.event,
            r.change ? `${r.change.id}/${r.change.version}` : '',
            r.commit.slice(0, 12),
            r.createdAt,
          ]),
        ),
      );
    });
  runs
    .command('show <run>')
    .description('Show a run: stages, images, deploys, papers')
    .action(async (run: string) => {
      const view = await (await context.client()).call(endpoints.showRun, { params: { id: wholeNumber(run) } });
      show(context, program, view, (paint) => describeRun(paint, view));
    });
  runs
    .command('scans <run>')
    .description('What the scans of a run looked at and found, and what is new since the last release of each environment, as Markdown')
    .action(async (run: string) => tellScans(context, program, await context.client(), wholeNumber(run)));
  runs
    .command('watch <run>')
    .description('Follow a run to its end; the status is non-zero unless it passes')
    .action(async (run: string) => {
      const view = await watch(context, await context.client(), wholeNumber(run), wantsJson(program));
      show(context, program, view, (paint) => describeRun(paint, view));
      if (view.status !== 'passed') context.exitWith(1);
    });
  runs
    .command('log <run> [name...]')
    .description('Print a log (all of them without a name), and follow it while the run goes on')
    .action(async (run: string, name: string[]) => {
      const client = await context.client();
      const names = name.length > 0 ? [name] : await client.call(endpoints.listLogs, { params: { id: wholeNumber(run) } });
      const paint = painter(context.colour);
      for (const log of names) {
        if (names.length > 1) context.out(paint('bold', `── ${log.join(' / ')}`));
        const query = new URLSearchParams({ name: log.join('/'), follow: '1' });
        for await (const data of client.lines(`/api/v1/runs/${wholeNumber(run)}/log?${query}`, context.signal)) {
          const line = JSON.parse(data) as { stream: string; text: string };
          context.out(line.stream === 'waybill' ? paint('cyan', plain(line.text)) : plain(line.text));
        }
      }
    });
  runs
    .command('cancel <run>')
    .description('Cancel a run')
    .option('-m, --reason <text>', 'why', 'asked for')
    .action(async (run: string, options: { reason: string }) => {
      const view = await (await context.client()).call(endpoints.cancelRun, { params: { id: wholeNumber(run) }, body: options });
      show(context, program, view, (paint) => describeRun(paint, view));
    });
}

/** Prints each part of a run as it ends. */
async function watch(context: CliContext, client: Client, run: number, quiet: boolean): Promise<RunView> {
  const paint = painter(context.colour);
  const told = new Set<string>();
  for (;;) {
    context.signal.throwIfAborted();
    const view = await client.call(endpoints.showRun, { params: { id: run } });
    for (const part of [
      ...view.scans.map((s) => ({ ...s, name: `scan ${s.name}` })),
      ...view.stages,
      ...view.images,
      ...view.deploys.map((d) => ({ ...d, name: `deploy ${d.environment}` })),
    ]) {
      if (!over(part.status) || told.has(part.name)) continue;
      told.add(part.name);
      if (!quiet) context.note(`${badge(paint, part.status)} ${part.name} ${paint('dim', lasted(part.startedAt, part.finishedAt))}`);
    }
    if (over(view.status)) return view;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

export function describeRun(paint: Paint, view: RunView): string[] {
  const line = (
    name: string,
    part: { status: string; startedAt?: string | undefined; finishedAt?: string | undefined; reason?: string | undefined },
    extra = '',
  ) =>
    `  ${badge(paint, part.status)}  ${name} ${paint('dim', lasted(part.startedAt, part.finishedAt))}${extra ? `  ${extra}` : ''}${part.reason && part.status !== 'passed' ? `\n      ${plain(part.reason)}` : ''}`;
  return [
    `${paint('bold', `Run ${view.id}`)} ${view.repository} ${view.event} ${view.commit.slice(0, 12)}  ${badge(paint, view.status)} ${paint('dim', lasted(view.createdAt, view.finishedAt))}`,
    ...(view.reason ? [`  ${plain(view.reason)}`] : []),
    ...view.notes.map((note) => paint('yellow', `  ${plain(note)}`)),
    ...(view.bases ?? []).map((base) =>
      paint('dim', `  base ${plain(base.reference.split('@')[0] ?? '')} is ${base.digest.slice(0, 19)}…`),
    ),
    ...view.stages.map((s) => line(s.name, s, s.executedIn ? `from run ${s.executedIn}` : '')),
    ...view.scans.map((s) => line(`scan ${s.name}`, s, s.scanned ? foundText(s.scanned.found) : '')),
    ...view.images.map((i) =>
      line(`image ${i.name}`, i, [i.reference ?? '', ...(i.published ?? []).map((copy) => `\n      published ${plain(copy)}`)].join('')),
    ),
    ...view.deploys.map((d) => line(`deploy ${d.environment}`, d, d.endpoints?.join(' ') ?? '')),
    ...view.compared.map(({ environment, release, found }) =>
      paint('dim', `  ${environment}: ${sinceCounts(found)}${release === undefined ? '; its first release' : `, since run ${release}`}`),
    ),
    ...(view.papers.length
      ? [
          paint(
            'dim',
            `  ${view.papers.length} papers: ${[...new Set(view.papers.map((p) => p.predicateType.split('/').at(-2)))].join(', ')}`,
          ),
        ]
      : []),
  ];
}

function foundText({ failing, new: fresh, known, waived }: { failing: number; new: number; known: number; waived: number }): string {
  const parts = [failing && `${failing} failing`, fresh && `${fresh} new`, known && `${known} known before`, waived && `${waived} waived`];
  return parts.filter((part) => part !== 0).join(', ') || 'nothing found';
}
