import path from 'node:path';
import { layersOf, type ImageLayers } from '../image/inspect/layered-image.ts';
import { systemClock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import { openDatabase } from '../scan/advisories/database.ts';
import { applyVex } from '../scan/advisories/vex.ts';
import type { Inventory } from '../scan/component.ts';
import type { Skipped } from '../scan/coverage.ts';
import { judgeScan, keysOf, saysAnything, type ScanVerdict } from '../scan/gate.ts';
import { scanImage, worstFirst } from '../scan/image/scan-image.ts';
import type { ScanReport } from '../scan/report.ts';
import { sbomOf } from '../scan/sbom/cyclonedx.ts';
import { derivedSalt } from '../scan/secrets/fingerprint.ts';
import { rootCommits } from '../scan/git/repository.ts';
import { readRules, repositoryRules } from '../scan/secrets/repository-rules.ts';
import type { CliContext } from './context.ts';
import type { ImageScanOptions } from './image-scan-options.ts';
import { openImage } from './open-image.ts';
import { vexOfTree, waiversOf } from './repository-claims.ts';
import { scannedTree } from './scanned-tree.ts';
import { plain } from './terminal.ts';

export type ScannedImage = {
  readonly image: ImageLayers;
  readonly report: ScanReport;
  readonly verdict: ScanVerdict;
  readonly inventory: Inventory;
  readonly unread: readonly Skipped[];
  /** Ecosystems that occur and could not be looked up, for there is no advisory. */
  readonly missing: readonly string[];
};

/** Looks into an image with the rules, the waivers and the VEX of the repository in which it is called, and judges what is found. */
export async function runImageScan(context: CliContext, text: string, options: ImageScanOptions): Promise<ScannedImage> {
  const { signal } = context;
  const { root, salt } = await repositoryOf(context);
  const waivers = await waiversOf(root);
  const documents = await vexOfTree(root);
  const rules = options.rules === undefined ? await repositoryRules(root) : await readRules(path.resolve(context.cwd, options.rules));
  for (const note of rules.notes) context.note(plain(note));
  using stack = new DisposableStack();
  const image = chosen(await layersOf(await openImage(context, text, stack)), options.platform);
  const database = stack.use(
    await openDatabase(options.database === undefined ? context.advisories : path.resolve(context.cwd, options.database)),
  );
  const scan = (of: ImageLayers) =>
    scanImage({
      image: of,
      database,
      rules: rules.set,
      salt: waivers.salt ?? salt,
      scanner: `waybill ${context.version}`,
      clock: systemClock,
      signal,
      ...(context.interactive && context.colour ? { onProgress: progress(context) } : {}),
    });
  // Opened first: a name that is wrong is told before minutes of looking.
  const base =
    options.base === undefined ? undefined : chosen(await layersOf(await openImage(context, options.base, stack)), options.platform);
  const { report: found, inventory, unread } = await scan(image);
  const vulnerabilities = found.findings.filter((finding) => finding.kind === 'vulnerability');
  const said = applyVex({ findings: vulnerabilities, documents }).findings;
  const others = found.findings.filter((finding) => finding.kind !== 'vulnerability');
  const report: ScanReport = { ...found, findings: worstFirst([...said, ...others]) };
  // The same rules, salt and advisories on both sides, so that what is new came with the image.
  const before =
    base && (base.digest === image.digest ? keysOf(report) : saysAnything(report) ? keysOf((await scan(base)).report) : new Set<string>());
  const judged = judgeScan({
    report,
    fail: options.fail,
    waivers,
    now: systemClock.now(),
    databaseDays: options.databaseDays,
    ...(before ? { before } : {}),
  });
  const verdict = base ? { ...judged, notes: [...judged.notes, comparison(base, judged)] } : judged;
  const missing = (report.coverage.databases ?? []).filter(({ advisories }) => advisories === 0).map(({ ecosystem }) => ecosystem);
  return { image, report, verdict, inventory, unread, missing };
}

export function imageSbom(context: CliContext, { image, report, inventory, unread }: ScannedImage): string {
  return sbomOf({
    inventory,
    subject: { type: 'container', name: image.name, version: image.digest },
    scanner: `waybill ${context.version}`,
    gaps: unread,
    vulnerabilities: report.findings.filter((finding) => finding.kind === 'vulnerability'),
  });
}

function comparison({ name, digest }: ImageLayers, { findings }: ScanVerdict): string {
  const fresh = findings.filter(({ isNew }) => isNew).length;
  return `compared with ${name} (${digest.slice(0, 19)}…): ${fresh} new, ${findings.length - fresh} in both`;
}

function chosen(image: ImageLayers, platform: string | undefined): ImageLayers {
  if (platform === undefined) return image;
  const platforms = image.platforms.filter((each) => each.platform === platform || each.platform.startsWith(`${platform}/`));
  if (platforms.length > 0) return { ...image, platforms };
  throw new WaybillError('NOT_FOUND', `${image.name} is not for ${platform.slice(0, 100)}`, {
    fix: `It is for ${image.platforms.map((each) => each.platform).join(', ')}.`,
  });
}

/** Waivers are of the repository in which somebody works; outside of one, there are none. */
async function repositoryOf(context: CliContext): Promise<{ readonly root: string; readonly salt: string }> {
  const tree = await scannedTree(context, '.', false);
  return { root: tree.root, salt: derivedSalt(tree.byGit ? await rootCommits({ folder: tree.folder }, context.signal) : []) };
}

function progress(context: CliContext): (seen: { readonly files: number; readonly bytes: number }) => void {
  let last = 0;
  return ({ files, bytes }) => {
    if (bytes - last < 200e6) return;
    last = bytes;
    context.note(`${files} files, ${Math.round(bytes / 1e6)} MB …`);
  };
}
