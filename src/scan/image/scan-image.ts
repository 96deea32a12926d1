import type { Clock } from '../../kernel/clock.ts';
import type { Digest } from '../../kernel/digest.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { AdvisoryDatabase } from '../advisories/database.ts';
import type { Inventory } from '../component.ts';
import { isGap, type Skipped } from '../coverage.ts';
import { Gathering } from '../dependencies/gathering.ts';
import { reportOn } from '../dependencies/scan-dependencies.ts';
import type { Finding, ImageFinding, Place, SecretFinding } from '../finding.ts';
import type { ScanReport } from '../report.ts';
import type { RuleSet } from '../secrets/rule-set.ts';
import { scanSecrets } from '../secrets/scan-secrets.ts';
import { SkipList } from '../skip-list.ts';
import { memorySource, type TreeSource } from '../tree-source.ts';
import { gatherState } from './gather-state.ts';
import { LastState } from './last-state.ts';
import { imageBudget, type LayerBudget } from './layer-files.ts';
import type { ImageLayer, ImagePlatform, LayeredImage } from './layered-image.ts';
import { LayerLook, type Seen } from './look-into-layer.ts';

export type ImageScan = {
  readonly image: LayeredImage;
  readonly database: AdvisoryDatabase;
  readonly rules: RuleSet;
  /** Of the repository, for the fingerprints of credentials. */
  readonly salt: string;
  readonly scanner: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly budget?: Readonly<LayerBudget>;
  readonly onProgress?: (seen: { readonly files: number; readonly bytes: number; readonly components: number }) => void;
};

const configuration = 'the configuration of the image';

export type ScannedLayers = {
  readonly report: ScanReport;
  readonly inventory: Inventory;
  /** Why the inventory may lack something: gaps of what was read for it, without those of the search for credentials. */
  readonly unread: readonly Skipped[];
  /** Which system each of its platforms is, as os-release names it: `debian 12`; once each. */
  readonly systems: readonly string[];
};

/**
 * Looks into every layer, straight from its stream. Packages, libraries and habits are those of the file system as it is at the end, and so is what could not be
 * read of them; credentials are looked for in every layer, since what a later one hides can still be pulled.
 * @throws WaybillError INVALID_INPUT, LIMIT_EXCEEDED for a layer that cannot be read; what the database throws and what the signal aborts with
 */
export async function scanImage(scan: ImageScan): Promise<ScannedLayers> {
  const startedAt = scan.clock.now().toISOString();
  if (scan.image.platforms.length === 0) throw new WaybillError('INVALID_INPUT', `${scan.image.name} has no image for any platform`);
  const skips = new SkipList();
  const gathering = new Gathering();
  const credentials = new Map<string, SecretFinding>();
  const habits = new Map<string, ImageFinding>();
  /** Gaps of files in layers, until it is known whether those are there in the end. */
  const waiting: { readonly at: string; readonly skipped: Skipped }[] = [];
  /** Files of layers that are there in the end, on some platform. */
  const shown = new Set<string>();
  const budget = { ...(scan.budget ?? imageBudget) };
  const looked = new Set<Digest>();
  const told = new Set<string>();
  const unread = new SkipList();
  const systems = new Set<string>();
  const ofFiles = {
    add(skipped: Skipped) {
      skips.add(skipped);
      unread.add(skipped);
    },
  };
  let files = 0;
  let bytes = 0;
  const add = (report: ScanReport, skip: (skipped: Skipped) => void) => {
    files += report.coverage.files;
    bytes += report.coverage.bytes;
    for (const skipped of report.coverage.skipped) skip(skipped);
    const more = (report.coverage.gapCount ?? 0) - report.coverage.skipped.filter(isGap).length;
    if (more > 0) skips.add({ path: 'layers of the image', reason: 'limit', detail: `${more} more files, too many to be named` });
    for (const finding of report.findings)
      if (finding.kind === 'secret') credentials.set(finding.key, merged(credentials.get(finding.key), finding));
    scan.onProgress?.({ files, bytes, components: gathering.size });
  };

  for (const each of scan.image.platforms) {
    const platform = await withoutCredentials(scan, each);
    add(await lookFor(scan, memorySource(configuration, [{ path: configuration, content: platform.configText }])), skips.add);
    const state = new LastState<Seen>();
    for (const layer of platform.layers) {
      const look = new LayerLook(layer, state, budget);
      if (looked.has(layer.digest)) await read(look.source, scan.signal);
      else {
        const report = await lookFor(scan, look.source);
        looked.add(layer.digest);
        add(placed(report, layer, look), (skipped) => {
          if (isGap(skipped)) waiting.push({ at: nameOf(layer.digest, skipped.path), skipped });
          else skips.add(skipped);
        });
        for (const { path } of report.coverage.skipped) look.mark(fileOf(path));
      }
      await look.resolveLinks(scan.signal);
      state.close();
    }
    for (const [path, { layer }] of state.entries()) shown.add(nameOf(layer.digest, path));
    const release = gatherState(state, platform, { gathering, skips: ofFiles, habits, configuration, told, database: scan.database });
    if (release && release.id !== '') systems.add(`${release.id} ${release.version}`.trim());
  }

  for (const { at, skipped } of waiting)
    skips.add(shown.has(at) ? skipped : { ...skipped, reason: 'excluded', detail: `${skipped.detail}; a later layer hides it` });
  const inventory = gathering.inventory();
  const coverage = { files, bytes, components: inventory.components.length, ...skips.coverage };
  const report = await reportOn({ ...scan, kind: 'image', inventory, coverage, startedAt });
  const rules = { count: scan.rules.rules.length, digest: scan.rules.digest };
  const isShown = ({ path, layer }: Place) => !layer || shown.has(nameOf(layer.digest, path));
  const findings: Finding[] = [
    ...[...credentials.values()].map((finding) => (finding.places.some(isShown) ? finding : stillThere(finding))),
    ...report.findings,
    ...[...habits.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
  ];
  return {
    inventory,
    unread: gapsOf(unread),
    systems: [...systems],
    report: { ...report, coverage: { ...report.coverage, rules }, findings: worstFirst(findings) },
  };
}

/** All of them, or the first thousand and how many there are besides. */
function gapsOf({ coverage: { skipped, gapCount = 0 } }: SkipList): readonly Skipped[] {
  const listed = skipped.filter(isGap);
  const more = gapCount - listed.length;
  return more === 0
    ? listed
    : [...listed, { path: 'layers of the image', reason: 'limit', detail: `${more} more files, too many to be named` }];
}

const rank = { critical: 0, unknown: 1, high: 2, medium: 3, low: 4 } as const;

/** What is equally bad stays in its order. */
export function worstFirst(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => rank[a.severity] - rank[b.severity]);
}

function lookFor(scan: ImageScan, source: TreeSource): Promise<ScanReport> {
  const { rules, salt, clock, scanner, signal } = scan;
  return scanSecrets({ source, rules, salt, clock, scanner, signal });
}

/** A layer whose credentials are known from another platform: only what it changes. */
async function read(source: TreeSource, signal: AbortSignal): Promise<void> {
  for await (const file of source.files({ signal, skip: () => {} })) for await (const piece of file.pieces()) void piece;
}

/** Instructions hold credentials at times, as arguments of a build; they are named with every finding, and no finding shows a credential. */
async function withoutCredentials(scan: ImageScan, platform: ImagePlatform): Promise<ImagePlatform> {
  const texts = platform.layers.map(({ createdBy }, index) => ({ path: String(index), content: createdBy }));
  const { findings } = await lookFor(scan, memorySource('instructions', texts));
  const leaky = new Set(findings.flatMap(({ places }) => places.map(({ path }) => fileOf(path))));
  return {
    ...platform,
    layers: platform.layers.map((layer, index) => ({
      ...layer,
      createdBy: leaky.has(String(index)) ? `instruction ${index + 1}, which holds a credential` : shortened(layer.createdBy),
    })),
  };
}

const shortened = (text: string) => (text.length > 500 ? `${text.slice(0, 500)} …` : text);

/** In their layer; the files are kept in mind, so that it is known whether they are still there in the end. */
function placed(report: ScanReport, layer: ImageLayer, look: LayerLook): ScanReport {
  const at = { digest: layer.digest, createdBy: layer.createdBy };
  return {
    ...report,
    findings: report.findings.map((finding) => ({
      ...finding,
      places: finding.places.map((place) => {
        look.mark(fileOf(place.path));
        return { ...place, layer: at };
      }),
    })),
  };
}

/** Without what is inside of an archive. */
const fileOf = (path: string) => path.split(' → ', 1)[0] ?? path;
const nameOf = (layer: Digest, path: string) => `${layer}\0${fileOf(path)}`;

function stillThere(finding: SecretFinding): SecretFinding {
  return { ...finding, fix: `${finding.fix} A later layer hides it, and whoever pulls this one has it: build the image without it.` };
}

function merged(known: SecretFinding | undefined, next: SecretFinding): SecretFinding {
  if (!known) return next;
  const places = new Map([...known.places, ...next.places].map((place) => [JSON.stringify(place), place]));
  return { ...known, places: [...places.values()].slice(0, 100) };
}
