import path from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import type { EcosystemUpdate, UpdateProgress } from '../../scan/advisories/update.ts';
import type { CliContext } from '../context.ts';
import { show, wantsJson } from '../output.ts';
import { CouldNotLook } from '../scan-output.ts';
import { plain } from '../terminal.ts';

type UpdateFlags = { database?: string; from?: string; ecosystem?: string[]; asOf?: Date };

/** `waybill db update` and `waybill db status`: the advisories that libraries are looked up in. */
export function databaseCommands(program: Command, context: CliContext): void {
  const db = program.command('db').description('Advisories about libraries, kept on this machine');
  db.command('update')
    .description("Bring new advisories, from OSV's exports by default")
    .option('--from <url|dir>', "a mirror of OSV's exports, or a folder with their archives or with JSON files; relative to this folder")
    .option('--ecosystem <names...>', 'npm, PyPI, Go, Debian …; by default those that are there, or the usual ones')
    .option('--as-of <time>', 'when a mirror or folder is known to be current (RFC 3339); by default as old as its files say', parseTime)
    .option('--database <dir>', `where the advisories are kept (default: ${context.advisories})`)
    .action(async (flags: UpdateFlags) => {
      const { from } = flags;
      const results = await context.processes
        .updateAdvisories({
          folder: folderOf(context, flags),
          ...(from === undefined ? {} : { from: from.includes('://') ? from : path.resolve(context.cwd, from) }),
          ...(flags.ecosystem === undefined ? {} : { ecosystems: flags.ecosystem }),
          ...(flags.asOf === undefined ? {} : { asOf: flags.asOf }),
          signal: context.signal,
          progress: progressLines(context, wantsJson(program)),
        })
        .catch((cause: unknown) => {
          throw new CouldNotLook('the advisories could not be brought', { cause });
        });
      if (results.some(({ outcome }) => outcome === 'failed')) context.exitWith(2);
      show(context, program, results, (paint) =>
        results.flatMap((result) => resultLines(result).map((line, at) => paintFirst(paint, result, line, at))),
      );
    });
  db.command('status')
    .description('Which advisories there are, how many and how old')
    .option('--database <dir>', `where the advisories are kept (default: ${context.advisories})`)
    .action(async (flags: { database?: string }) => {
      const { databaseStates } = await import('../../scan/advisories/database.ts');
      const folder = folderOf(context, flags);
      const states = await databaseStates(folder);
      const age = (time: string) => `${((Date.now() - Date.parse(time)) / 86_400_000).toFixed(1)} days`;
      show(context, program, { folder, ecosystems: states }, (_paint, rows) =>
        states.length === 0
          ? [`There are no advisories in ${plain(folder)}. Bring some: waybill db update`]
          : [
              ...rows(
                ['ecosystem', 'advisories', 'packages', 'skipped', 'age', 'digest', 'from'],
                states.map(({ ecosystem, advisories, packages, skipped, updatedAt, digest, source }) => [
                  plain(ecosystem),
                  String(advisories),
                  String(packages),
                  String(skipped.count),
                  age(updatedAt),
                  digest.slice(0, 19),
                  plain(source),
                ]),
              ),
              `in ${plain(folder)}`,
            ],
      );
    });
}

const folderOf = (context: CliContext, { database }: { readonly database?: string }) =>
  database === undefined ? context.advisories : path.resolve(context.cwd, database);

function parseTime(text: string): Date {
  const time = new Date(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(time.getTime()))
    throw new InvalidArgumentError('It is no time like 2026-03-01T12:00:00Z.');
  return time;
}

/** A line a second at most, so that neither a terminal nor a log of a job is flooded. */
function progressLines(context: CliContext, json: boolean): (event: UpdateProgress) => void {
  if (json) return () => undefined;
  let last = 0;
  return (event) => {
    if (event.step === 'done') return;
    if (event.step === 'waiting') {
      context.note('Another update is running; waiting for it.');
      return;
    }
    const now = Date.now();
    if (now - last < 1_000) return;
    last = now;
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    const what =
      event.step === 'fetch'
        ? `${megabytes(event.bytes)}${event.of === undefined ? '' : ` of ${megabytes(event.of)}`}`
        : event.step === 'read'
          ? `${event.records} files read`
          : `${event.advisories} advisories are indexed`;
    context.note(`${event.ecosystem}: ${what}`);
  };
}

function resultLines(result: EcosystemUpdate): readonly string[] {
  const name = plain(result.ecosystem);
  if (result.outcome === 'failed')
    return [`✘ ${name}: ${result.error.title}: ${plain(result.error.detail)}`, `  fix ${plain(result.error.fix)}`];
  const { advisories, packages, skipped, updatedAt } = result.state;
  const lines = [
    `✔ ${name}: ${advisories} advisories about ${packages} packages, ${result.outcome === 'updated' ? 'new' : 'as before'}, current as of ${updatedAt}`,
  ];
  if (skipped.count === 0) return lines;
  const shown = skipped.named.slice(0, 5).map(({ name: file, problem }) => `    ${plain(file)}: ${plain(problem)}`);
  return [...lines, `  ! ${skipped.count} files could not be read as advisories:`, ...shown];
}

function paintFirst(paint: (style: 'red' | 'green', text: string) => string, result: EcosystemUpdate, line: string, at: number): string {
  return at === 0 ? paint(result.outcome === 'failed' ? 'red' : 'green', line.slice(0, 1)) + line.slice(1) : line;
}
