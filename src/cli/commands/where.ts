import { InvalidArgumentError, type Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import type { NewlyVulnerableReply, WhereView } from '../../api/where-views.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { show } from '../output.ts';
import { plain, type Paint } from '../terminal.ts';

type Flags = { readonly pods: boolean; readonly limit: number; readonly new?: true };

/** `waybill where WHAT`: which images, releases, environments and pods have a package, or what an advisory is about. */
export function whereCommand(program: Command, context: CliContext): void {
  program
    .command('where [what]')
    .description(
      'Which images, releases, environments and running pods have a package (lodash@<4.17.21, npm:lodash, a purl) or a CVE or GHSA',
    )
    .option('--new', 'instead: what became vulnerable in the last 30 days because of new advisories')
    .option('--no-pods', 'do not ask the environments what runs')
    .option('--limit <count>', 'of images that neither run nor were released', parseLimit, 50)
    .action(async (what: string | undefined, flags: Flags) => {
      const client = await context.client();
      const pods = flags.pods ? ('yes' as const) : ('no' as const);
      if (flags.new) {
        if (what !== undefined) throw new WaybillError('INVALID_INPUT', '--new tells everything that is new: it takes no package');
        const reply = await client.call(endpoints.newlyVulnerable, { query: { pods } });
        show(context, program, reply, (paint) => [...newsLines(paint, reply), ...silentLines(paint, reply.environments, flags)]);
        return;
      }
      if (what === undefined)
        throw new WaybillError('INVALID_INPUT', 'what is to be looked for is missing', {
          fix: 'waybill where lodash, or waybill where CVE-2021-44228',
        });
      const reply = await client.call(endpoints.where, { query: { what, pods, limit: flags.limit } });
      show(context, program, reply, (paint, rows) => [
        ...whereLines(paint, rows, reply),
        ...silentLines(paint, reply.environments, flags),
        ...unknownLines(paint, reply),
      ]);
    });
}

function parseLimit(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0 || count > 1_000) throw new InvalidArgumentError('It is no number from 0 to 1000.');
  return count;
}

type Rows = (header: readonly string[], rows: readonly (readonly string[])[]) => string[];

export function whereLines(paint: Paint, rows: Rows, reply: WhereView): string[] {
  const { asked, images, imageCount, looked, components } = reply;
  const lookedAt = `${looked.images} image${looked.images === 1 ? '' : 's'} with ${looked.components} components`;
  const ages = (looked.advisories ?? []).map(({ ecosystem, updatedAt }) => `${plain(ecosystem)} of ${updatedAt.slice(0, 10)}`);
  const lines: string[] = [];
  if (looked.images === 0)
    lines.push(paint('yellow', `Nothing is known about ${plain(asked)}: no image of this server was looked into yet.`));
  else if (imageCount === 0) lines.push(paint('green', `No image has ${plain(asked)}.`), `Looked at ${lookedAt}.`);
  else {
    const running = images.filter(({ use }) => use === 'runs').length;
    const released = images.filter(({ use }) => use === 'released').length;
    const pods = images.reduce((sum, image) => sum + image.pods.length, 0);
    lines.push(
      paint('bold', `${imageCount} of ${lookedAt} have ${plain(asked)}: ${running} run in ${pods} pods, ${released} more were released.`),
    );
    for (const { purl, advisory, source } of components.slice(0, 20)) {
      const fixed = advisory ? (advisory.fixed.length > 0 ? `, fixed in ${advisory.fixed.join(', ')}` : ', no fix is known') : '';
      const about = advisory ? `  ${advisory.severity} ${advisory.id}${fixed}` : '';
      lines.push(`  ${plain(purl)}${source === undefined ? '' : ` (of ${plain(source)})`}${plain(about)}`);
    }
    if (reply.componentCount > 20) lines.push(`  and ${reply.componentCount - 20} more`);
    lines.push('', ...rows(['image', 'use', 'where', 'has', 'found in', 'came in by'], images.flatMap(imageRows)));
    if (images.length < imageCount) lines.push(`and ${imageCount - images.length} more images that are only in the registry (--limit)`);
  }
  if (looked.advisories)
    lines.push(
      ages.length === 0
        ? paint('red', 'There are no advisories: nothing can be known about any. Bring some: waybill db update')
        : `Advisories: ${ages.join(', ')}. What VEX or waivers of a repository accept is listed here, too.`,
    );
  if (reply.unclearCount > 0)
    lines.push(
      paint('yellow', `! ${reply.unclearCount} may be it, with a version that cannot be compared:`),
      ...reply.unclear.slice(0, 20).map(({ purl }) => `    ${plain(purl)}`),
    );
  return [...lines, ...reply.notes.map((note) => paint('yellow', `! ${plain(note)}`))];
}

function imageRows(image: WhereView['images'][number]): string[][] {
  const places = [
    ...image.pods.map(({ environment, pod }) => `${environment}: pod ${pod}`),
    ...(image.pods.length > 0
      ? []
      : image.releases
          .slice(0, 3)
          .map(({ environment, id, status, current }) => `${environment}: release ${id}, ${current ? 'current' : status}`)),
    ...(image.import === undefined ? [] : [`import ${image.import}`]),
    ...(image.inRegistry ? [] : ['no longer in the registry']),
  ];
  const has = image.has.map(({ purl, foundIn, way }) => [
    purl,
    foundIn === 'image' ? 'image' : 'source only',
    way.map(shortOf).join(' → '),
  ]);
  return Array.from({ length: Math.max(1, Math.min(30, Math.max(places.length, has.length))) }, (_, row) =>
    [
      row === 0 ? `${image.repository}@${image.digest.slice(0, 19)}` : '',
      row === 0 ? image.use : '',
      places[row] ?? '',
      ...(has[row] ?? ['', '', '']),
    ].map(plain),
  );
}

/** `pkg:npm/lodash@4.17.20` → `lodash@4.17.20`. */
const shortOf = (purl: string) => purl.replace(/^pkg:[^/]+\//, '').replace(/[?#].*$/, '');

export function newsLines(paint: Paint, { news, since }: NewlyVulnerableReply): string[] {
  if (news.length === 0) return [`Nothing became vulnerable since ${since.slice(0, 10)}.`];
  return news.flatMap((each) => [
    `${paint('bold', plain(each.advisory))} ${paint('red', plain(each.severity))} since ${each.firstSeen.slice(0, 10)}: ${plain(each.title)}`,
    ...each.components
      .slice(0, 5)
      .map(({ purl, fixed }) => `  ${plain(purl)}${fixed.length > 0 ? `, fixed in ${plain(fixed.join(', '))}` : ', no fix is known'}`),
    ...each.images.map(({ repository, digest, pods, environments, newestWithout }) => {
      const runs = pods.map(({ environment, pod }) => `${environment}: pod ${pod}`);
      const place =
        runs.length > 0
          ? runs.join(', ')
          : environments.length > 0
            ? `current release in ${environments.join(', ')}`
            : 'only in the registry';
      return `  ${plain(`${repository}@${digest.slice(0, 19)}`)}  ${plain(place)}${
        newestWithout === undefined ? '; no image of that name is without it' : `; ${newestWithout.slice(0, 19)} is without it`
      }`;
    }),
    ...(each.imageCount > each.images.length ? [`  and ${each.imageCount - each.images.length} more images`] : []),
  ]);
}

function silentLines(paint: Paint, environments: WhereView['environments'], flags: Flags): string[] {
  const silent = environments.filter(({ answered }) => !answered);
  if (silent.length === 0) return [];
  if (!flags.pods) return ['The environments were not asked what runs (--no-pods).'];
  return silent.map(({ name, why }) => paint('red', `✘ ${plain(name)} does not say what runs there: ${plain(why ?? '')}`));
}

function unknownLines(paint: Paint, { unknown, unknownCount }: WhereView): string[] {
  if (unknownCount === 0) return [];
  return [
    paint('yellow', `! ${unknownCount} containers run images of which nobody here knows what they consist of:`),
    ...unknown
      .slice(0, 20)
      .map(({ environment, pod, container, image }) => `    ${plain(`${environment}: pod ${pod}, ${container}: ${image}`)}`),
  ];
}
