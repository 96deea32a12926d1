import type { Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import type { CliContext } from '../context.ts';
import { show } from '../output.ts';
import { plain } from '../terminal.ts';
import { mirrorTable } from './mirrors.ts';

/** `waybill registry gc | fsck | usage`: what keeps the server's registry healthy; for administrators. */
export function registryCareCommands(registry: Command, program: Command, context: CliContext): void {
  registry
    .command('gc')
    .description('Remove what nothing needs: no pod, no release, no newer image; papers go with their image')
    .option('--dry-run', 'say what would go, and why the rest stays', false)
    .action(async ({ dryRun }: { dryRun: boolean }) => {
      const done = await (await context.client()).call(endpoints.collectRegistry, { body: { dryRun } });
      const removed = done.images.filter((image) => image.fate === 'removed').length;
      show(context, program, done, (paint, table) => [
        ...table(
          ['IMAGE', 'TAGS', dryRun ? 'WOULD BE' : '', 'WHY'],
          done.images.map(({ repository, digest, tags, fate, why }) => [
            `${repository}@${digest.slice(0, 19)}…`,
            plain(tags.join(', ')),
            paint(fate === 'kept' ? 'green' : 'yellow', fate),
            plain(why),
          ]),
        ),
        `${dryRun ? 'Would remove' : 'Removed'} ${removed} images with their papers, ${done.blobs} blobs, ${megabytes(done.bytes)}.`,
        ...(done.mirrored.items === 0
          ? []
          : [`From the cache of other registries went ${done.mirrored.items} things, ${megabytes(done.mirrored.bytes)}.`]),
      ]);
    });

  registry
    .command('fsck')
    .description('Look for damage: missing, changed or cut-off blobs, manifests without their content; status 1 when there is any')
    .option('--deep', 'read every blob and hash it', false)
    .option('--quarantine', 'move damaged blobs out of sight; pushing the same content again heals them', false)
    .action(async (options: { deep: boolean; quarantine: boolean }) => {
      const report = await (await context.client()).call(endpoints.checkRegistry, { body: options });
      if (report.damages.length > 0) context.exitWith(1);
      show(context, program, report, (paint) => [
        ...report.damages.flatMap(({ message, hits, quarantined }) => [
          `${paint('red', 'damaged')}  ${plain(message)}`,
          ...(hits.length > 0 ? [`         hits ${plain(hits.slice(0, 10).join(', '))}: merge a change again to build it anew`] : []),
          ...(quarantined === undefined ? [] : [`         moved to ${plain(quarantined)}`]),
        ]),
        ...report.mirrored.dropped.map(
          ({ server, digest }) =>
            `${paint('yellow', 'dropped')}  ${digest} of the cache of ${plain(server)} was damaged; it is fetched again`,
        ),
        `${report.manifests} manifests, ${report.blobs} blobs${options.deep ? `, ${megabytes(report.hashed)} hashed` : ' (sizes only; --deep reads them)'}: ${
          report.damages.length === 0 ? paint('green', 'nothing is damaged') : paint('red', `${report.damages.length} damages`)
        }. ${report.strays} files belong to nothing; the next gc takes them.`,
      ]);
    });

  registry
    .command('usage')
    .description('What the registry holds, by repository')
    .action(async () => {
      const usage = await (await context.client()).call(endpoints.registryUsage);
      show(context, program, usage, (_, table) => [
        ...table(
          ['REPOSITORY', 'IMAGES', 'BLOBS', 'SIZE', 'QUOTA'],
          usage.repositories.map(({ repository, images, blobs, bytes, limit }) => [
            repository,
            String(images),
            String(blobs),
            megabytes(bytes),
            limit === undefined ? '-' : megabytes(limit),
          ]),
        ),
        ...(usage.mirrors.length === 0 ? [] : ['', ...mirrorTable(table, usage.mirrors), '']),
        `On disk ${megabytes(usage.bytes)}; sharing saves ${megabytes(usage.shared)}; the disk has ${megabytes(usage.freeBytes)} left.`,
      ]);
    });
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
