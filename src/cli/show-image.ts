import type { FileDifference, LayerDifference } from '../image/diff/diff-layers.ts';
import type { ImageComparison, LayerComparison, ValueDifference } from '../image/diff/diff-images.ts';
import type { ImageDescription } from '../image/inspect/inspect-image.ts';
import { plain, type Paint } from './terminal.ts';

type Rows = (header: readonly string[], rows: readonly (readonly string[])[]) => string[];

const mostFiles = 40;

/** What `waybill image inspect` prints. */
export function descriptionLines(image: ImageDescription, paint: Paint, rows: Rows): string[] {
  const lines = [
    `${paint('bold', plain(image.name))}`,
    `${image.digest}  ${paint('dim', image.mediaType)}`,
    ...pairs(image.annotations, paint),
  ];
  for (const each of image.platforms) {
    lines.push(
      '',
      `${paint('cyan', each.platform)}  ${size(each.size)}${each.created === undefined ? '' : `  created ${plain(each.created)}`}`,
    );
    if (each.digest !== image.digest) lines.push(`  ${each.digest}`, ...pairs(each.annotations, paint));
    for (const [key, value] of Object.entries(each.config))
      if (key !== 'Labels') lines.push(`  ${key.padEnd(12)} ${plain(typeof value === 'string' ? value : JSON.stringify(value))}`);
    for (const [key, value] of Object.entries(each.labels)) lines.push(`  label ${plain(key)}=${plain(value)}`);
    const layers = each.layers.map((layer, index) => [
      `  ${index}`,
      size(layer.size),
      layer.diffId.slice(0, 19),
      layer.digest,
      layer.mediaType,
    ]);
    lines.push(...rows(['  layer', 'size', 'diffID', 'digest', 'media type'], layers));
  }
  if (image.referrers === undefined) return lines;
  lines.push('', image.referrers.length === 0 ? 'No papers.' : `${image.referrers.length} papers and other artifacts:`);
  return [...lines, ...image.referrers.map((each) => `  ${each.digest}  ${plain(each.about || each.artifactType)}`)];
}

/** What `waybill image diff` and `build --check` print. */
export function comparisonLines(comparison: ImageComparison, paint: Paint, rows: Rows): string[] {
  const { from, to } = comparison;
  if (comparison.same) return [`${paint('green', '✔ the same image')}  ${from.digest}`];
  const lines = [`${paint('red', '−')} ${plain(from.name)}  ${from.digest}`, `${paint('green', '+')} ${plain(to.name)}  ${to.digest}`];
  lines.push(...values('annotation', comparison.annotations, paint));
  for (const platform of comparison.platforms) {
    lines.push('', `${paint('cyan', platform.platform)}  ${platform.verdict === 'same' ? 'the same' : platform.verdict}`);
    lines.push(...values('config', platform.config, paint), ...values('annotation', platform.annotations, paint));
    for (const layer of platform.layers) lines.push(...layerLines(layer, paint, rows));
  }
  if (comparison.first) lines.push('', firstLine(comparison.first, paint));
  return lines;
}

/** `first difference: layer 2, /x: content, mtime` */
export function firstLine(first: NonNullable<ImageComparison['first']>, paint: Paint): string {
  const file = first.path === '' ? '' : `, ${plain(first.path)}`;
  return `${paint('bold', 'first difference:')} layer ${first.layer}${file}: ${plain(first.what)}`;
}

function layerLines(layer: LayerComparison, paint: Paint, rows: Rows): string[] {
  const side = layer.from ?? layer.to;
  const head = `  layer ${layer.index}  ${side?.diffId.slice(0, 19) ?? ''}  ${size(side?.size ?? 0)}`;
  if (layer.verdict === 'same') return [paint('dim', `${head}  the same`)];
  if (layer.verdict === 'compressed-otherwise') return [`${head}  the same files, compressed otherwise`];
  if (layer.verdict !== 'differs' || !layer.difference) return [`${head}  ${layer.verdict}`];
  return [`${head}  → ${layer.to?.diffId.slice(0, 19) ?? ''}  ${summary(layer.difference)}`, ...fileTable(layer.difference.files, rows)];
}

function summary(difference: LayerDifference): string {
  if (difference.order !== undefined) return `the same files in another order, from ${plain(difference.order)} on`;
  if (difference.form) return 'the same files; the tar has another form';
  const count = (kind: FileDifference['kind']) => difference.files.filter((file) => file.kind === kind).length;
  return `${count('added')} added, ${count('removed')} removed, ${count('changed')} changed`;
}

function fileTable(files: readonly FileDifference[], rows: Rows): string[] {
  if (files.length === 0) return [];
  const lines = rows(
    ['    file', '', 'what differs'],
    files.slice(0, mostFiles).map((file) => [`    ${plain(file.path)}`, file.kind, file.aspects.map(aspectText).join('; ')]),
  );
  return files.length > mostFiles ? [...lines, `    … and ${files.length - mostFiles} more (--json shows all)`] : lines;
}

function aspectText({ aspect, from, to }: FileDifference['aspects'][number]): string {
  if (aspect === 'content') return `content ${from.slice(7, 19)} → ${to.slice(7, 19)}`;
  return `${aspect} ${plain(from) || '–'} → ${plain(to) || '–'}`;
}

function values(what: string, differences: readonly ValueDifference[], paint: Paint): string[] {
  const text = (value: unknown) => plain(value === undefined ? '–' : JSON.stringify(value));
  return differences.map(({ path, from, to }) => `  ${what} ${plain(path)}: ${paint('red', text(from))} → ${paint('green', text(to))}`);
}

function pairs(record: Readonly<Record<string, string>>, paint: Paint): string[] {
  return Object.entries(record).map(([key, value]) => `  ${paint('dim', plain(key))} ${plain(value)}`);
}

/** In the units that registries count in: 1 MB is 1,000,000 bytes. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
