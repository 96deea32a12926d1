import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../kernel/clock.ts';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import { openDatabase, type AdvisoryDatabase } from '../scan/advisories/database.ts';
import type { VexDocument } from '../scan/advisories/vex-document.ts';
import { applyVex } from '../scan/advisories/vex.ts';
import { vexOf } from '../scan/advisories/vex-write.ts';
import type { Inventory } from '../scan/component.ts';
import { scanDependencies, type DependencyScan } from '../scan/dependencies/scan-dependencies.ts';
import { judgeScan, keysOf, type ScanVerdict } from '../scan/gate.ts';
import { gitText } from '../scan/git/objects.ts';
import type { ScanReport } from '../scan/report.ts';
import type { TreeSource } from '../scan/tree-source.ts';
import type { CliContext } from './context.ts';
import type { DependencyOptions } from './dependency-options.ts';
import { readVex, vexOfTree, waiversOf } from './repository-claims.ts';
import { scannedTree, tellEmpty, type ScannedTree } from './scanned-tree.ts';

export type DependencyVerdict = {
  readonly report: ScanReport;
  readonly verdict: ScanVerdict;
  readonly inventory: Inventory;
  readonly tree: ScannedTree;
  /** Ecosystems that occur and could not be looked up, for there is no advisory. */
  readonly missing: readonly string[];
};

const mostUnusedNotes = 20;

/** Looks the libraries of a tree up, and judges what was found, with the waivers and the VEX of its repository. */
export async function runDependencyScan(context: CliContext, where: string, options: DependencyOptions): Promise<DependencyVerdict> {
  const tree = await scannedTree(context, where, options.allFiles === true);
  const waivers = await waiversOf(tree.root);
  const own = await vexOfTree(tree.root);
  const given: VexDocument[] = [];
  for (const file of options.vex) given.push(await readVex(path.resolve(context.cwd, file), file));
  const folder = options.database === undefined ? context.advisories : path.resolve(context.cwd, options.database);
  using database = await openDatabase(folder);

  const scan = (source: TreeSource) => scanDependencies({ ...scanOf(context, database), source });
  const baseTree = options.base === undefined ? undefined : await tree.at(options.base);
  const { report: plain, inventory } = await scan(tree.source);
  tellEmpty(context, where, plain.coverage, tree);
  const missing = (plain.coverage.databases ?? []).filter(({ advisories }) => advisories === 0).map(({ ecosystem }) => ecosystem);
  if (missing.length > 0 && missing.length === plain.coverage.databases?.length) throw noDatabase(missing, folder);

  const said = applyVex({ findings: plain.findings.filter((finding) => finding.kind === 'vulnerability'), documents: [...own, ...given] });
  const report: ScanReport = { ...plain, findings: said.findings };
  const before = baseTree === undefined ? undefined : keysOf((await scan(baseTree)).report);
  const judged = judgeScan({
    report,
    fail: options.fail,
    waivers,
    ...(before === undefined ? {} : { before }),
    now: systemClock.now(),
    databaseDays: options.databaseDays,
  });
  const unused = said.unused.map((what) => `a statement of VEX meets nothing here: ${what}`);
  const notes = [...judged.notes, ...unused.slice(0, mostUnusedNotes)];
  if (unused.length > mostUnusedNotes) notes.push(`and ${unused.length - mostUnusedNotes} more statements of VEX`);
  const verdict = { ...judged, notes };
  if (options.vexOut !== undefined) await writeVex(context, options.vexOut, options.vexAuthor, verdict, tree);
  return { report, verdict, inventory, tree, missing };
}

function scanOf(context: CliContext, database: AdvisoryDatabase): Omit<DependencyScan, 'source'> {
  return { database, scanner: `waybill ${context.version}`, clock: systemClock, signal: context.signal };
}

export function noDatabase(missing: readonly string[], folder: string): WaybillError {
  const names = missing.join(', ');
  return new WaybillError('NOT_FOUND', `there are no advisories for ${names} in ${folder} to look the libraries up in`, {
    fix: `Bring them: waybill db update --ecosystem ${basesOf(missing)}`,
  });
}

/** Some could be looked up and others not: what was found is told, and this beside it. */
export function noDatabaseNote(missing: readonly string[]): string {
  return `Not looked up, for there are no advisories: ${missing.join(', ')}. Bring them: waybill db update --ecosystem ${basesOf(missing)}`;
}

/** Names of an update know no release. */
function basesOf(missing: readonly string[]): string {
  return [...new Set(missing.map((name) => name.split(':')[0]))].join(' ');
}

async function writeVex(
  context: CliContext,
  file: string,
  author: string | undefined,
  verdict: ScanVerdict,
  tree: ScannedTree,
): Promise<void> {
  const vulnerabilities = verdict.findings.filter((finding) => finding.kind === 'vulnerability');
  const document = vexOf({
    findings: vulnerabilities,
    author: author ?? (await gitAddress(context, tree)),
    now: systemClock.now(),
    tooling: `waybill ${context.version}`,
    accepted: new Map(
      vulnerabilities.flatMap(({ key, waiver }) => (waiver ? [[key, `${waiver.reason} (${waiver.owner}, until ${waiver.expires})`]] : [])),
    ),
  });
  if (!document) context.note(`No vulnerability was found: ${file} is not written, for a document of VEX says something about one.`);
  else await writeFile(path.resolve(context.cwd, file), `${JSON.stringify(document, null, 2)}\n`);
}

/** Who speaks, as far as Git knows. */
async function gitAddress({ signal }: CliContext, { folder }: ScannedTree): Promise<string> {
  try {
    const address = (await gitText({ folder }, ['config', '--get', 'user.email'], signal)).toString('utf8').trim();
    if (address !== '') return address;
  } catch (error) {
    if (!isWaybillError(error, 'GIT_FAILED') && !isWaybillError(error, 'MISSING_PROGRAM')) throw error;
  }
  throw new WaybillError('INVALID_INPUT', 'a document of VEX says who speaks, and Git does not know you', {
    fix: 'Give --vex-author, or set user.email in Git.',
  });
}
