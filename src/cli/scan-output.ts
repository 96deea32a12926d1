import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Coverage } from '../scan/coverage.ts';
import { isGap } from '../scan/coverage.ts';
import { defaultScanLevel, scanLevels, type ScanLevel } from '../plan/scan-levels.ts';
import type { ScanVerdict, WeighedFinding } from '../scan/gate.ts';
import type { Place } from '../scan/finding.ts';
import type { ScanReport } from '../scan/report.ts';
import type { Severity } from '../scan/severity.ts';
import type { CliContext } from './context.ts';
import { wantsJson } from './output.ts';
import { sarif } from './scan-sarif.ts';
import { painter, plain, plainName, safeJson, type Paint } from './terminal.ts';

/** The scan could not be made: status 2, unlike 1, which a gate gives that has looked and says no. */
export class CouldNotLook extends Error {}

export type ScanOutputOptions = { readonly format: string; readonly fail: ScanLevel; readonly output?: string };

/** `--format`, `--fail` and `--output`, which every scan has. `formats`: what this one knows besides table, json and sarif. */
export function addScanOptions(command: Command, formats: readonly string[] = []): Command {
  return command
    .addOption(new Option('--format <format>', 'how it is told').choices(['table', 'json', 'sarif', ...formats]).default('table'))
    .addOption(new Option('--fail <level>', 'what makes it fail').choices(scanLevels).default(defaultScanLevel))
    .option('--output <file>', 'write it there instead of to standard output');
}

/** Runs the action of a scan; whatever it throws ends with status 2. */
export function scanAction<A extends unknown[]>(action: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  return async (...args) => {
    try {
      await action(...args);
    } catch (cause) {
      throw new CouldNotLook('the scan could not be made', { cause });
    }
  };
}

/** A positive whole number. @throws InvalidArgumentError */
export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('must be a positive whole number');
  return Number(text);
}

/**
 * Tells what was found and judged, in the format that was asked for, and sets the status: 0 passed, 1 not.
 * @param others texts of formats that this scan alone knows
 */
export async function tellScan(
  context: CliContext,
  program: Command,
  options: ScanOutputOptions,
  report: ScanReport,
  verdict: ScanVerdict,
  others: Readonly<Record<string, () => Promise<string>>> = {},
): Promise<void> {
  const format = wantsJson(program) && options.format === 'table' ? 'json' : options.format;
  const colour = context.colour && options.output === undefined;
  const other = others[format];
  const text = other
    ? await other()
    : format === 'json'
      ? safeJson(scanJson(report, verdict))
      : format === 'sarif'
        ? safeJson(sarif(report, verdict))
        : scanTable(report, verdict, painter(colour)).join('\n');
  if (options.output === undefined) context.out(text);
  else await writeFile(path.resolve(context.cwd, options.output), `${text}\n`);
  context.exitWith(verdict.passed ? 0 : 1);
}

/** The report with its verdict beside it; each finding says whether it is new, whether it makes the scan fail, and which waiver accepts it. */
export function scanJson(report: ScanReport, verdict: ScanVerdict): object {
  const findings = verdict.findings.map(({ waiver, ...finding }) => ({
    ...finding,
    ...(waiver ? { waiver: { reason: waiver.reason, owner: waiver.owner, expires: waiver.expires } } : {}),
  }));
  return { ...report, findings, passed: verdict.passed, reasons: verdict.reasons, notes: verdict.notes };
}

const styles: Readonly<Record<Severity, 'red' | 'yellow' | 'cyan' | 'magenta'>> = {
  critical: 'magenta',
  high: 'red',
  medium: 'yellow',
  low: 'cyan',
  unknown: 'red',
};
const shownPlaces = 5;

export function scanTable(report: ScanReport, verdict: ScanVerdict, paint: Paint): string[] {
  const lines: string[] = [];
  for (const finding of verdict.findings) lines.push(...findingLines(finding, paint), '');
  for (const note of verdict.notes) lines.push(`${paint('yellow', 'note')} ${plainName(note)}`);
  if (verdict.passed) {
    const accepted = verdict.findings.length;
    lines.push(`${paint('green', '✔')} ${accepted === 0 ? 'Nothing found.' : `${accepted} known or accepted, nothing that fails.`}`);
  } else {
    lines.push(`${paint('red', '✘')} ${verdict.findings.filter((each) => each.fails).length} of ${verdict.findings.length} fail.`);
    const untold = verdict.reasons.filter((reason) => !verdict.findings.some((finding) => reason.includes(finding.title)));
    lines.push(...untold.map((reason) => `  ${plainName(reason)}`));
  }
  lines.push(paint('dim', coverageLine(report.coverage)));
  return lines;
}

function findingLines(finding: WeighedFinding, paint: Paint): string[] {
  const harmless = finding.kind === 'vulnerability' ? finding.notAffected : undefined;
  const state = finding.waiver
    ? `accepted by ${finding.waiver.owner} until ${finding.waiver.expires}: ${finding.waiver.reason}`
    : finding.kind === 'secret' && finding.allowed !== undefined
      ? `allowed in its line: ${finding.allowed}`
      : harmless !== undefined
        ? `does no harm: ${harmless}`
        : finding.isNew
          ? ''
          : 'known';
  const lines = [
    `${paint(styles[finding.severity], finding.severity.padEnd(8))}  ${paint('bold', plainName(finding.title))}${state === '' ? '' : `  ${paint('dim', plainName(state))}`}`,
  ];
  for (const place of finding.places.slice(0, shownPlaces)) {
    const at = place.line === undefined ? '' : `:${place.line}${place.column === undefined ? '' : `:${place.column}`}`;
    const commits = place.commits?.length
      ? `  in ${place.commits
          .slice(0, 3)
          .map((commit) => commit.slice(0, 10))
          .join(', ')}${place.commits.length > 3 ? ', …' : ''}`
      : '';
    lines.push(`          ${plainName(place.path)}${at}${commits}${layerOf(place)}`);
  }
  if (finding.places.length > shownPlaces) lines.push(`          and ${finding.places.length - shownPlaces} more places`);
  if (finding.kind === 'secret')
    lines.push(
      `          ${paint('dim', `${plainName(finding.rule)}:${finding.fingerprint}${finding.validity === 'unknown' ? '' : `  ${finding.validity}`}`)}`,
    );
  if (finding.kind === 'vulnerability')
    for (const way of finding.paths.slice(0, 2)) lines.push(`          ${paint('dim', `by ${plain(way.map(shortPurl).join(' › '))}`)}`);
  if (finding.fix !== '' && !finding.waiver && harmless === undefined)
    lines.push(`          ${paint('cyan', 'fix')} ${plain(finding.fix)}`);
  return lines;
}

/** `@scope/name@1.0.0` of a package URL; anything else as it is. */
function shortPurl(name: string): string {
  if (!name.startsWith('pkg:')) return name;
  try {
    return decodeURIComponent(name.replace(/^pkg:[^/]+\//, '').replace(/[?#].*$/, ''));
  } catch {
    return name;
  }
}

/** With what made it, in one line. */
function layerOf({ layer }: Place): string {
  if (!layer) return '';
  const made = plain(layer.createdBy.replaceAll(/\s+/g, ' '));
  return `  layer ${layer.digest.slice(7, 19)}: ${made.length > 100 ? `${made.slice(0, 100)} …` : made}`;
}

/** What "nothing found" rests on. */
export function coverageLine(coverage: Coverage): string {
  const parts = [`${coverage.files} files`, size(coverage.bytes)];
  if (coverage.components > 0) parts.push(`${coverage.components} components`);
  if (coverage.rules) parts.push(`${coverage.rules.count} rules (${coverage.rules.digest.slice(7, 19)})`);
  for (const each of coverage.databases ?? [])
    parts.push(`${each.advisories} advisories for ${each.ecosystem} of ${each.updatedAt.slice(0, 10)}`);
  const gaps = coverage.gapCount ?? coverage.skipped.filter(isGap).length;
  const meant = coverage.skippedCount - gaps;
  if (meant > 0) parts.push(`${meant} binary or excluded`);
  if (gaps > 0) parts.push(`${gaps} not looked at`);
  return `Looked at ${parts.join(', ')}.`;
}

function size(bytes: number): string {
  return bytes < 10_000 ? `${bytes} bytes` : bytes < 1e7 ? `${Math.round(bytes / 1e3)} kB` : `${Math.round(bytes / 1e6)} MB`;
}
