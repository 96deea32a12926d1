import type { Command } from 'commander';
import type { ReplyOf } from '../../api/endpoint.ts';
import { endpoints } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { byteSize, wholeNumber } from '../input.ts';
import { show } from '../output.ts';
import { plain } from '../terminal.ts';

type Mirror = ReplyOf<typeof endpoints.listMirrors>[number];

/** `waybill registry mirror list | show | set | clear`: what is cached of other registries. They are added with `waybill registry add --use mirror`. */
export function mirrorCommands(registry: Command, program: Command, context: CliContext): void {
  const mirror = registry.command('mirror').description('What is cached of other registries (added with: registry add NAME --use mirror)');

  mirror
    .command('list')
    .description('The mirrors, with what they hold and whether their registry answers')
    .action(async () => {
      const all = await (await context.client()).call(endpoints.listMirrors);
      show(context, program, all, (_, table) => mirrorTable(table, all));
    });

  mirror
    .command('show <name>')
    .description('The images that are cached, the last used first')
    .action(async (name: string) => {
      const found = await (await context.client()).call(endpoints.showMirror, { params: { name } });
      show(context, program, found, (_, table) => [
        ...mirrorTable(table, [found]),
        '',
        ...table(
          ['REPOSITORY', 'DIGEST', 'TAGS', 'FETCHED', 'USED'],
          found.images.map(({ repository, digest, tags, fetchedAt, usedAt }) => [
            plain(repository),
            `${digest.slice(0, 19)}…`,
            plain(tags.map(({ tag }) => tag).join(', ')) || '-',
            fetchedAt.slice(0, 16),
            usedAt.slice(0, 16),
          ]),
        ),
      ]);
    });

  mirror
    .command('set <name>')
    .description('Change what it keeps, or for how long it takes a tag for what it was')
    .option('--quota <size>', '500MB, 20GB', byteSize)
    .option('--tag-seconds <n>', '0 asks about a tag each time', wholeNumber)
    .action(async (name: string, { quota, tagSeconds }: { quota?: number; tagSeconds?: number }) => {
      if (quota === undefined && tagSeconds === undefined)
        throw new WaybillError('INVALID_INPUT', 'nothing is to be changed', { fix: 'Give --quota SIZE, or --tag-seconds N.' });
      const body = { ...(quota === undefined ? {} : { quotaBytes: quota }), ...(tagSeconds === undefined ? {} : { tagSeconds }) };
      const found = await (await context.client()).call(endpoints.setMirror, { params: { name }, body });
      show(context, program, found, (_, table) => mirrorTable(table, [found]));
    });

  mirror
    .command('clear <name>')
    .description('Throw away what is cached of one registry; it is fetched again when somebody wants it')
    .action(async (name: string) => {
      const cleared = await (await context.client()).call(endpoints.clearMirror, { params: { name } });
      show(context, program, { name, ...cleared }, () => [`Threw away ${cleared.items} things, ${megabytes(cleared.bytes)}, of ${name}.`]);
    });
}

export function mirrorTable(table: (head: string[], rows: string[][]) => string[], mirrors: readonly Mirror[]): string[] {
  return table(
    ['MIRROR', 'SERVER', 'BELOW', 'BLOBS', 'SIZE', 'QUOTA', 'TAGS HOLD', 'UPSTREAM'],
    mirrors.map(({ name, server, prefix, blobs, bytes, quotaBytes, tagMs, answers, why }) => [
      name,
      server,
      prefix ?? '-',
      String(blobs),
      megabytes(bytes),
      megabytes(quotaBytes),
      `${tagMs / 1000} s`,
      answers === undefined ? 'not asked yet' : answers ? 'answers' : plain(`does not answer: ${why ?? ''}`),
    ]),
  );
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
