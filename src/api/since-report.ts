import { findingTable, markdownText as text } from './scan-report.ts';
import type { SincePartView, SinceReleaseView } from './since-views.ts';

/** What is new since the last release of each environment, as Markdown; as safe as `scanReport`. Empty where nothing was compared. */
export function sinceReport(since: readonly SinceReleaseView[], now: Date): string {
  return since.map((each) => `${environmentOf(each, now)}\n`).join('\n');
}

/** `Since the last release of production (run 12, 3 days ago)`. */
export function sinceTitle({ environment, release }: Pick<SinceReleaseView, 'environment' | 'release'>, now: Date): string {
  if (!release) return `First release of ${environment}: there is nothing to compare with`;
  return `Since the last release of ${environment} (run ${release.run}, ${ago(release.at, now)})`;
}

/** `2 new (worst: high), 1 gone, 3 known only since then`. */
export function sinceCounts({ fresh, gone, learned, worst }: SinceReleaseView['found']): string {
  const parts = [`${fresh} new${worst === undefined ? '' : ` (worst: ${worst})`}`, `${gone} gone`];
  if (learned > 0) parts.push(`${learned} of both known only since then`);
  return parts.join(', ');
}

function environmentOf(since: SinceReleaseView, now: Date): string {
  const { passed, levels, parts, removed } = since;
  const fresh = parts.flatMap((part) => part.fresh);
  const verdict = levels.length === 0 ? '' : `${passed ? '✔' : '✘'} `;
  const lines = [
    `## ${verdict}${text(sinceTitle(since, now))}`,
    '',
    `${sinceCounts(since.found)}.${levels.length === 0 ? '' : ` Fails on: ${levels.join(', and on ')}.`}`,
    ...since.reasons.filter((reason) => !fresh.some(({ title }) => reason.includes(title))).map((reason) => `- ${text(reason)}`),
    ...parts.flatMap(partOf),
    ...(removed.length === 0 ? [] : ['', `No part of it any more: ${removed.map(text).join(', ')}.`]),
  ];
  return lines.join('\n');
}

function partOf(part: SincePartView): string[] {
  const { name, found } = part;
  const both = part.databases.map(({ ecosystem, updatedAt }) => `${text(ecosystem)} of ${updatedAt.slice(0, 10)}`);
  return [
    ...findingTable(`${text(name)}: new`, part.fresh, found.fresh),
    ...findingTable(`${text(name)}: gone`, part.gone, found.gone),
    ...findingTable(`${text(name)}: in both, and known only since then`, part.learned, found.learned),
    ...part.notes.map((note) => `- ${text(name)}: ${text(note)}`),
    '',
    `${text(name)}: ${found.kept} in both.${both.length === 0 || part.was === undefined ? '' : ` Both looked up in the same advisories: ${both.join(', ')}.`}`,
  ];
}

/** `3 days ago`, in the largest unit that is whole. */
export function ago(at: string, now: Date): string {
  const minutes = Math.floor((now.getTime() - Date.parse(at)) / 60_000);
  if (!(minutes >= 1)) return 'just now';
  const [count, unit] =
    minutes < 60 ? [minutes, 'minute'] : minutes < 48 * 60 ? [Math.floor(minutes / 60), 'hour'] : [Math.floor(minutes / 1_440), 'day'];
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}
