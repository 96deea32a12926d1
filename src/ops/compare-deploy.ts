import { WaybillError } from '../kernel/error.ts';
import type { Release } from '../deploy/releases.ts';
import type { PlannedDeploy } from '../plan/plan.ts';
import type { RunContext } from '../run/port.ts';
import type { ImageState, RunState } from '../run/state.ts';
import { compareReports, knownThen } from '../scan/compare.ts';
import { lookedAgain } from '../scan/look-again.ts';
import { parseRecord, type ScanRecord } from '../scan/record.ts';
import { partOf } from '../scan/release-comparison.ts';
import type { ScanReport } from '../scan/report.ts';
import { dependenciesRecord } from './dependencies-record.ts';
import { keepComparison, unlessItFails } from './keep-comparison.ts';
import { recordRefusal } from './record-refusal.ts';
import { readWaivers } from './scan-source.ts';
import type { World } from './world.ts';

type Scanned = NonNullable<ImageState['scanned']>;
/** An image of one side: the records of its scan and of that of its source, and what it is known to have in the advisories of now. */
type Side = { readonly record: ScanRecord; readonly source: ScanRecord | undefined; readonly report: ScanReport };

/**
 * What the images of a deploy bring that those of the release in its environment do not have, both looked up in the same advisories. Under the lock of the environment and
 * before anything is touched: kept with the run, and held against the levels of the deploy.
 * @throws WaybillError SCAN_FAILED when a level forbids it, or asks for what cannot be told
 */
export async function compareDeploy(world: World, context: RunContext, deploy: PlannedDeploy, release: Release | undefined): Promise<void> {
  if (Object.keys(deploy.images).length === 0) {
    if (deploy.fail)
      throw new WaybillError(
        'SCAN_FAILED',
        `the deploy to ${deploy.environment} is held to ${deploy.fail.join(' and ')} by the branch as it was, and names no image that could be looked at`,
        { fix: 'Name its images, or merge another change: that one is held to the pipeline file of this one.' },
      );
    return;
  }
  const compare = () => compareImages(world, context, deploy, release);
  // A level that cannot be looked at is not held.
  if (deploy.fail) await compare();
  else await unlessItFails(world, context, deploy.environment, compare);
}

async function compareImages(world: World, context: RunContext, deploy: PlannedDeploy, release: Release | undefined): Promise<void> {
  const { head } = context;
  const { environment, fail: levels = [] } = deploy;
  const waivers = await readWaivers(world, head.repository, head.commit);
  const state = await context.state();
  const was = release && (await world.journal.state(release.run));
  const names = [...new Set(Object.values(deploy.images))];
  const pairs = names.map((name) => {
    const now = state.images.find((image) => image.name === name);
    if (!now?.scanned || now.digest === undefined)
      throw new WaybillError(
        'SCAN_FAILED',
        `the image ${name} was not scanned in this run, so what it brings to ${environment} is unknown`,
        {
          fix: 'Merge a change, so that it is built and scanned.',
        },
      );
    const before = was?.images.find((image) => image.name === name && image.digest === release?.digests[name]);
    return { name, now: { digest: now.digest, scanned: now.scanned }, before };
  });
  const sides = await sidesOf(world, context, { now: state, was }, pairs);
  const at = world.clock.now();
  const { databaseDays } = world.scanning;
  const parts = pairs.map(({ name, now, before }, nth) => {
    const [mine, theirs] = [sides[nth]?.now, sides[nth]?.was];
    if (!mine) throw new WaybillError('INTERNAL', `the image ${name} was not looked up again`);
    const known = theirs?.source ? knownThen([theirs.record, theirs.source]) : undefined;
    const verdict = compareReports({
      now: mine.report,
      ...(theirs ? { was: theirs.report } : {}),
      ...(known ? { known } : {}),
      levels,
      waivers,
      at,
      databaseDays,
    });
    const about = {
      name: `image ${name}`,
      now: now.digest,
      ...(theirs && before?.digest !== undefined ? { was: before.digest } : {}),
      databases: mine.report.coverage.databases ?? [],
      notes: notesOf(name, release, mine, theirs, known !== undefined),
    };
    return { part: partOf(about, verdict), verdict };
  });
  const removed = imagesIn(was, environment).filter((name) => !names.includes(name));
  const { passed, reasons } = await keepComparison(world, context, { environment, levels, release, parts, removed });
  if (passed) return;
  const since = release ? `since its last release (run ${release.run})` : 'which has had no release yet';
  const text = `what is new in ${environment}, ${since}: ${reasons.join('; ').slice(0, 2_000)}`;
  await recordRefusal(world, `deploy to ${environment}`, text);
  throw new WaybillError('SCAN_FAILED', text);
}

type Pair = { readonly now: { readonly scanned: Scanned }; readonly before: ImageState | undefined };

/** One look into the advisories for all of them. */
async function sidesOf(
  world: World,
  { signal, log }: RunContext,
  runs: { readonly now: RunState; readonly was: RunState | undefined },
  pairs: readonly Pair[],
): Promise<readonly { readonly now: Side | undefined; readonly was: Side | undefined }[]> {
  const { documents, scanners } = world.scanning;
  const { now, was } = runs;
  const wanted = pairs.flatMap((pair) => [
    { scanned: pair.now.scanned, run: now },
    ...(pair.before?.scanned && was ? [{ scanned: pair.before.scanned, run: was }] : []),
  ]);
  const lists = await Promise.all(
    wanted.map(async ({ scanned, run: { head } }) => ({
      sbom: await documents.get('sbom', scanned.sbom),
      source: { repository: head.repository, commit: head.commit },
    })),
  );
  const again = await scanners.rematch(lists, { signal, log: (text) => log('waybill', text) });
  const sources = new Map<RunState, ScanRecord | undefined>();
  for (const run of new Set(wanted.map((each) => each.run))) sources.set(run, await dependenciesRecord(world, run));
  const sides = new Map<Scanned, Side>();
  for (const [nth, { scanned, run }] of wanted.entries()) {
    const today = again[nth];
    if (!today) continue;
    const record = parseRecord(await documents.get('record', scanned.record));
    const source = sources.get(run);
    const { report } = lookedAgain(today, { image: record, ...(source ? { source } : {}) });
    sides.set(scanned, { record, source, report });
  }
  return pairs.map((pair) => ({ now: sides.get(pair.now.scanned), was: pair.before?.scanned && sides.get(pair.before.scanned) }));
}

function notesOf(name: string, release: Release | undefined, now: Side, was: Side | undefined, knowsThen: boolean): string[] {
  if (!release) return [];
  if (!was) {
    const why = release.digests[name] === undefined ? 'it is not in the release' : 'what is released of it was not scanned';
    return [`${why}, so everything in it counts as new`];
  }
  const notes: string[] = [];
  if (now.record.report.coverage.rules?.digest !== was.record.report.coverage.rules?.digest)
    notes.push('credentials were looked for with other rules at the release: what is new among them may have been there');
  if (!knowsThen) notes.push('what was known when it was released is not on record in full, so what became known since is not told');
  return notes;
}

/** Names of the images that a run deployed there. */
function imagesIn(state: RunState | undefined, environment: string): readonly string[] {
  const deploy = state?.head.plan.deploys.find((each) => each.environment === environment);
  return [...new Set(Object.values(deploy?.images ?? {}))];
}
