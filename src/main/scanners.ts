import path from 'node:path';
import type { Config } from '../config/config.ts';
import type { Clock } from '../kernel/clock.ts';
import { layersOf, type ImageLayers } from '../image/inspect/layered-image.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { RepositoryName } from '../kernel/ids.ts';
import type { ImageFacts, ScanContext, Scanners } from '../ops/scanners.ts';
import { openDatabase } from '../scan/advisories/database.ts';
import { applyVex } from '../scan/advisories/vex.ts';
import { parseVex, vexFolder } from '../scan/advisories/vex-document.ts';
import { isGap } from '../scan/coverage.ts';
import { readInventory } from '../scan/dependencies/read-inventory.ts';
import { reportOn, scanDependencies } from '../scan/dependencies/scan-dependencies.ts';
import { joined } from '../scan/dependencies/joined.ts';
import type { GitPlace } from '../scan/git/objects.ts';
import { rootCommits } from '../scan/git/repository.ts';
import { commitsOf, gitHistorySource, gitRangeSource, gitTreeSource } from '../scan/git/sources.ts';
import { isRoot } from '../scan/image/habits.ts';
import { scanImage } from '../scan/image/scan-image.ts';
import type { ScanReport } from '../scan/report.ts';
import { sbomOf } from '../scan/sbom/cyclonedx.ts';
import { inventoryFromSbom } from '../scan/sbom/read-sbom.ts';
import { derivedSalt } from '../scan/secrets/fingerprint.ts';
import { builtInRuleSet, chooseRules } from '../scan/secrets/repository-rules.ts';
import { ScannedBlobs } from '../scan/secrets/scanned-blobs.ts';
import { scanSecrets } from '../scan/secrets/scan-secrets.ts';
import type { LocalSource } from '../source/local/local-source.ts';
import { folderOf } from '../source/local/repository-folder.ts';

const largestRules = 4 * 1024 * 1024;
const largestVex = 4 * 1024 * 1024;

/** The scanners of the server: they read its bare repositories, and what its configuration says, and reach nothing else. */
export function openScanners(options: {
  readonly config: Config;
  readonly source: Pick<LocalSource, 'readFile' | 'listFiles'>;
  readonly clock: Clock;
  readonly version: string;
  /** For git. */
  readonly searchPath: string;
}): Scanners {
  const { config, source, clock } = options;
  const scanner = `waybill ${options.version}`;
  const { folders } = config;
  // The environment of git: nothing of ours but where programs are.
  const env = { PATH: options.searchPath, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', HOME: '/nonexistent', LC_ALL: 'C' };
  const placeOf = (repository: string): GitPlace => ({ folder: folderOf(folders.repositories, repository as RepositoryName), env });

  const vexOf = async (report: ScanReport, repository: string, commit: GitOid): Promise<ScanReport> => {
    const files = (await source.listFiles(repository, commit, vexFolder)).filter((file) => file.endsWith('.json'));
    const documents = [];
    for (const file of files.slice(0, 1_000)) {
      const bytes = await source.readFile(repository, commit, file, { maxBytes: largestVex });
      if (bytes) documents.push(parseVex(bytes.toString('utf8'), file));
    }
    if (documents.length === 0) return report;
    const vulnerabilities = report.findings.filter((finding) => finding.kind === 'vulnerability');
    const others = report.findings.filter((finding) => finding.kind !== 'vulnerability');
    return { ...report, findings: [...applyVex({ findings: vulnerabilities, documents }).findings, ...others] };
  };

  const rulesOf = (repository: string, commit: GitOid) =>
    chooseRules(async (file) => (await source.readFile(repository, commit, file, { maxBytes: largestRules }))?.toString('utf8'));
  const saltOf = async (place: GitPlace, salt: string | undefined, signal: AbortSignal) =>
    salt ?? derivedSalt(await rootCommits(place, signal));

  return {
    scanner,
    async secrets({ repository, commit, since, history, rulesFrom, salt }, context) {
      const place = placeOf(repository);
      const rules = await rulesOf(repository, rulesFrom);
      for (const note of rules.notes) context.log(note);
      const blobs = history ? await ScannedBlobs.open(path.join(folders.scans, repository), rules.set, commit.length) : undefined;
      const report = await scanSecrets({
        source: blobs
          ? gitHistorySource(place, blobs)
          : since === undefined
            ? gitTreeSource(place, commit)
            : gitRangeSource(place, [since], commit).added,
        rules: rules.set,
        salt: await saltOf(place, salt, context.signal),
        clock,
        scanner,
        signal: context.signal,
        onProgress: progress(context),
        ...(blobs || since !== undefined
          ? {
              commitsOf: (found) => commitsOf(place, found, blobs ? ['--all'] : [commit, '--not', since ?? commit], context.signal),
            }
          : {}),
        ...(blobs ? { onClean: (blob) => blobs.add(blob) } : {}),
      });
      await blobs?.save();
      return report;
    },
    async dependencies({ repository, commit }, { signal, log }) {
      using database = await openDatabase(folders.advisories);
      const { report } = await scanDependencies({
        source: gitTreeSource(placeOf(repository), commit),
        database,
        scanner,
        clock,
        signal,
        onProgress: progress({ signal, log }),
      });
      return vexOf(report, repository, commit);
    },
    async image({ image, digest, source: built, name, salt }, context) {
      const { signal } = context;
      using database = await openDatabase(folders.advisories);
      const layered = await layersOf(image);
      const { report, inventory, unread, systems } = await scanImage({
        image: layered,
        database,
        rules: built ? (await rulesOf(built.repository, built.commit)).set : builtInRuleSet(),
        salt: built ? await saltOf(placeOf(built.repository), salt, signal) : derivedSalt([name]),
        scanner,
        clock,
        signal,
        onProgress: progress(context),
      });
      const facts = factsOf(layered, systems);
      const subject = { type: 'container', name, version: digest } as const;
      if (!built) return { report, facts, sbom: sbomOf({ inventory, subject, scanner, gaps: unread }) };
      const { repository, commit } = built;
      // What is bundled into one file cannot be seen in the image; what the source runs with can.
      const tree = await readInventory({ source: gitTreeSource(placeOf(repository), commit), signal });
      const { inventory: both, sourceOnly } = joined(inventory, tree.inventory);
      return {
        report: await vexOf(report, repository, commit),
        facts,
        sbom: sbomOf({ inventory: both, sourceOnly, subject, scanner, gaps: [...unread, ...tree.coverage.skipped.filter(isGap)] }),
      };
    },
    async rematch(lists, { signal }) {
      const startedAt = clock.now().toISOString();
      using database = await openDatabase(folders.advisories);
      const reports: ScanReport[] = [];
      for (const { sbom, source: built } of lists) {
        const { inventory } = inventoryFromSbom(sbom);
        const coverage = { files: 0, bytes: 0, components: inventory.components.length, skipped: [], skippedCount: 0 };
        const report = await reportOn({ kind: 'image', inventory, coverage, database, scanner, startedAt, clock, signal });
        reports.push(built ? await vexOf(report, built.repository, built.commit) : report);
      }
      return reports;
    },
  };
}

function factsOf({ platforms }: ImageLayers, systems: readonly string[]): ImageFacts {
  const sizes = new Map(platforms.flatMap(({ layers }) => layers.map(({ digest, size }) => [digest, size] as const)));
  return {
    platforms: platforms.map(({ platform }) => platform),
    systems,
    bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    root: platforms.some(({ user }) => isRoot(user)),
  };
}

/** A line every ten seconds of what goes on for long. */
function progress({ log }: ScanContext): (seen: { readonly files: number; readonly bytes?: number; readonly components?: number }) => void {
  let last = performance.now();
  return ({ files, bytes, components }) => {
    if (performance.now() - last < 10_000) return;
    last = performance.now();
    log(
      `${files} files${bytes === undefined ? '' : `, ${(bytes / 1e6).toFixed(0)} MB`}${components === undefined ? '' : `, ${components} components`} so far`,
    );
  };
}
