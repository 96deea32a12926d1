import type { Clock } from '../../kernel/clock.ts';
import type { Digest } from '../../kernel/digest.ts';
import { isWaybillError, messageOf } from '../../kernel/error.ts';
import type { AdvisoryDatabase } from '../advisories/database.ts';
import type { Component, Inventory } from '../component.ts';
import type { Skipped } from '../coverage.ts';
import { Gathering } from '../dependencies/gathering.ts';
import type { Reader, Reading } from '../dependencies/reader.ts';
import { installedReaders, readers as treeReaders } from '../dependencies/readers.ts';
import { reportOn } from '../dependencies/scan-dependencies.ts';
import type { Finding, ImageFinding, Place, SecretFinding } from '../finding.ts';
import type { ScanReport } from '../report.ts';
import type { RuleSet } from '../secrets/rule-set.ts';
import { scanSecrets } from '../secrets/scan-secrets.ts';
import { SkipList } from '../skip-list.ts';
import { memorySource, type TreeFile, type TreeSource } from '../tree-source.ts';
import { habitFinding, habitsOf, isRoot, type Habit } from './habits.ts';
import { layerEntries, type LayerEntry } from './layer-files.ts';
import type { ImageLayer, ImagePlatform, LayeredImage } from './layered-image.ts';
import { parseOsRelease, released, type OsRelease } from './os-release.ts';
import { apkInstalled, dpkgStatus, rpmDatabase } from './readers/os-packages.ts';

export type ImageScan = {
  readonly image: LayeredImage;
  readonly database: AdvisoryDatabase;
  readonly rules: RuleSet;
  /** Of the repository, for the fingerprints of credentials. */
  readonly salt: string;
  readonly scanner: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress?: (seen: { readonly files: number; readonly bytes: number; readonly components: number }) => void;
};

/** Packages of the system first; lock files too, since images of sources have them. */
const imageReaders: readonly Reader[] = [dpkgStatus, apkInstalled, rpmDatabase, ...treeReaders];
const osReleasePaths = new Set(['etc/os-release', 'usr/lib/os-release']);
const largestOsRelease = 64 * 1024;

/** What is in the last state of the file system, by path: whatever a later layer hides is gone. */
type Seen = {
  readonly layer: ImageLayer;
  readonly reading?: Reading;
  readonly skipped: readonly Skipped[];
  readonly habits: readonly Habit[];
  readonly release?: OsRelease;
};

/**
 * Looks into every layer once, straight from its stream. Packages, libraries and habits are those of the file system as it is at the end; credentials are
 * looked for in every layer, since what a later one deletes can still be pulled.
 * @throws WaybillError INVALID_INPUT, LIMIT_EXCEEDED for a layer that cannot be read; what the database throws
 */
export async function scanImage(scan: ImageScan): Promise<{ readonly report: ScanReport; readonly inventory: Inventory }> {
  const startedAt = scan.clock.now().toISOString();
  const skips = new SkipList();
  const gathering = new Gathering();
  const credentials = new Map<string, SecretFinding>();
  const habits = new Map<string, ImageFinding>();
  const looked = new Map<Digest, ReadonlyMap<string, Seen | 'gone'>>();
  let files = 0;
  let bytes = 0;
  const addSecrets = (report: ScanReport) => {
    files += report.coverage.files;
    bytes += report.coverage.bytes;
    for (const skipped of report.coverage.skipped) skips.add(skipped);
    for (const finding of report.findings)
      if (finding.kind === 'secret') credentials.set(finding.key, merged(credentials.get(finding.key), finding));
    scan.onProgress?.({ files, bytes, components: gathering.size });
  };

  for (const platform of scan.image.platforms) {
    addSecrets(
      await lookFor(scan, memorySource('the configuration', [{ path: 'the configuration of the image', content: platform.configText }])),
    );
    const state = new Map<string, Seen>();
    for (const layer of platform.layers) {
      let changes = looked.get(layer.digest);
      if (!changes) {
        const { seen, report } = await lookInto(scan, layer);
        looked.set(layer.digest, seen);
        changes = seen;
        addSecrets(report);
      }
      apply(state, changes);
    }
    gather(state, platform, gathering, skips, habits);
  }

  const inventory = gathering.inventory();
  const coverage = { files, bytes, components: inventory.components.length, ...skips.coverage };
  const report = await reportOn({ ...scan, kind: 'image', inventory, coverage, startedAt });
  const rules = { count: scan.rules.rules.length, digest: scan.rules.digest };
  const findings: Finding[] = [
    ...credentials.values(),
    ...report.findings,
    ...[...habits.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
  ];
  return { inventory, report: { ...report, coverage: { ...report.coverage, rules }, findings } };
}

/** One layer: what it brings and hides, and the credentials in it. */
async function lookInto(scan: ImageScan, layer: ImageLayer): Promise<{ seen: ReadonlyMap<string, Seen | 'gone'>; report: ScanReport }> {
  const seen = new Map<string, Seen | 'gone'>();
  const note = async (entry: LayerEntry, content: Buffer | undefined, reader: Reader | undefined) => {
    const habits = entry.kind === 'other' ? [] : habitsOf(entry.path, entry.mode);
    const release = content && osReleasePaths.has(entry.path) ? parseOsRelease(content.toString('utf8')) : undefined;
    if (!reader && habits.length === 0 && !release) {
      seen.set(entry.path, { layer, skipped: [], habits });
      return;
    }
    const read = reader ? readWith(reader, content, entry) : { skipped: [] };
    seen.set(entry.path, { layer, habits, ...read, ...(release ? { release } : {}) });
  };
  const source: TreeSource = {
    what: `the layer ${layer.digest}`,
    async *files({ signal }) {
      for await (const entry of layerEntries(await layer.open(), layer.mediaType, signal)) {
        const base = entry.path.slice(entry.path.lastIndexOf('/') + 1);
        if (base.startsWith('.wh.')) {
          const folder = entry.path.slice(0, -base.length);
          seen.set(base === '.wh..wh..opq' ? folder : `${folder}${base.slice('.wh.'.length)}`, 'gone');
          continue;
        }
        if (entry.kind !== 'file') {
          await note(entry, undefined, undefined);
          continue;
        }
        const reader = readerFor(entry.path);
        const wanted = osReleasePaths.has(entry.path)
          ? largestOsRelease
          : reader && reader.limit !== Number.MAX_SAFE_INTEGER
            ? reader.limit
            : 0;
        if (wanted === 0 || entry.size > wanted) {
          await note(entry, undefined, reader);
          yield streamed(entry);
          continue;
        }
        const content = await whole(entry);
        await note(entry, content, reader);
        yield { path: entry.path, size: content.length, pieces: () => [content] } satisfies TreeFile;
      }
    },
  };
  const report = await lookFor(scan, source);
  const at = { digest: layer.digest, createdBy: layer.createdBy };
  const placed = (place: Place): Place => ({ ...place, layer: at });
  return { seen, report: { ...report, findings: report.findings.map((finding) => ({ ...finding, places: finding.places.map(placed) })) } };
}

function lookFor(scan: ImageScan, source: TreeSource): Promise<ScanReport> {
  const { rules, salt, clock, scanner, signal } = scan;
  return scanSecrets({ source, rules, salt, clock, scanner, signal });
}

function readerFor(path: string): Reader | undefined {
  const within = /(?:^|\/)(?:node_modules|site-packages|dist-packages)\//.test(path);
  return (within ? installedReaders : imageReaders).find((reader) => reader.wants(path));
}

function readWith(reader: Reader, content: Buffer | undefined, entry: LayerEntry): Pick<Seen, 'reading' | 'skipped'> {
  if (!content && reader.limit !== Number.MAX_SAFE_INTEGER)
    return {
      skipped: [{ path: entry.path, reason: 'limit', detail: `${reader.what} of ${entry.size} bytes is larger than ${reader.limit}` }],
    };
  try {
    const reading = reader.read(content ?? Buffer.alloc(0), entry.path);
    return { reading, skipped: reading.skipped };
  } catch (error) {
    if (isWaybillError(error, 'CANCELLED')) throw error;
    return {
      skipped: [
        { path: entry.path, reason: 'unknown-format', detail: `it cannot be read as ${reader.what}: ${messageOf(error).slice(0, 300)}` },
      ],
    };
  }
}

function streamed(entry: LayerEntry): TreeFile {
  return { path: entry.path, size: entry.size, pieces: () => entry.pieces() };
}

async function whole(entry: LayerEntry): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of entry.pieces()) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The file system after one more layer (image-spec layer.md, "Applying Changesets"): what is hidden goes first, then what the layer brings comes. */
function apply(state: Map<string, Seen>, changes: ReadonlyMap<string, Seen | 'gone'>): void {
  const gone = [...changes].filter(([, seen]) => seen === 'gone').map(([path]) => path);
  if (gone.length > 0)
    for (const path of state.keys())
      if (gone.some((hidden) => path === hidden || path.startsWith(hidden.endsWith('/') || hidden === '' ? hidden : `${hidden}/`)))
        state.delete(path);
  for (const [path, seen] of changes) if (seen !== 'gone') state.set(path, seen);
}

function gather(
  state: ReadonlyMap<string, Seen>,
  { user, layers }: ImagePlatform,
  gathering: Gathering,
  skips: SkipList,
  habits: Map<string, ImageFinding>,
): void {
  const release = state.get('etc/os-release')?.release ?? state.get('usr/lib/os-release')?.release;
  for (const [path, { reading, skipped, habits: shown, layer }] of state) {
    const at = { digest: layer.digest, createdBy: layer.createdBy };
    for (const each of skipped) skips.add(each);
    if (reading)
      gathering.add({
        ...reading,
        components: reading.components.map((component): Component => ({
          ...released(component, release),
          places: component.places.map((place) => ({ ...place, layer: at })),
        })),
      });
    for (const habit of shown) habits.set(`${habit} ${path}`, habitFinding(habit, { path, layer: at }));
  }
  const top = layers.at(-1);
  if (isRoot(user))
    habits.set(
      'root-user',
      habitFinding('root-user', {
        path: 'the configuration of the image',
        ...(top ? { layer: { digest: top.digest, createdBy: top.createdBy } } : {}),
      }),
    );
}

function merged(known: SecretFinding | undefined, next: SecretFinding): SecretFinding {
  if (!known) return next;
  const places = new Map([...known.places, ...next.places].map((place) => [JSON.stringify(place), place]));
  return { ...known, places: [...places.values()].slice(0, 100) };
}
