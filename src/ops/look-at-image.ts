import { openBundle } from '../evidence/bundle.ts';
import { referrerOf } from '../evidence/cosign-forms.ts';
import { clockSkew } from '../evidence/signer/newest-look.ts';
import type { BuiltEntry } from '../evidence/snapshot.ts';
import { vulnerabilitiesPredicate, vulnerabilitiesType } from '../evidence/statements/vulnerabilities.ts';
import { withDeadline } from '../kernel/deadline.ts';
import { hexOf, type Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import type { RunId } from '../kernel/ids.ts';
import type { Attestation } from '../ledger/attestations.ts';
import { connectRegistry } from '../oci/client.ts';
import { lookAnnotation } from '../oci/look-annotation.ts';
import type { ImageState, RunState } from '../run/state.ts';
import { isFinal } from '../run/status.ts';
import { databaseReasons } from '../scan/gate.ts';
import { lookedAgain } from '../scan/look-again.ts';
import { countsOf, parseRecord } from '../scan/record.ts';
import { dependenciesRecord } from './dependencies-record.ts';
import { keepScan } from './keep-scan.ts';
import { readWaivers } from './scan-source.ts';
import type { World } from './world.ts';

const withinMs = 2 * 60_000;
/** What was told to the journal and got no paper is finished when it is young; otherwise it is looked again. */
const finishedWithinMs = 60 * 60_000;
/** Enough to find the paper of a look that was cut off among. */
const newestPapers = 6;

type Looked = { readonly run: RunId; readonly image: string; readonly entry: BuiltEntry; readonly record: Digest };

/**
 * Looks an image up again in the advisories of now, and gives it a paper that says so, good or bad. Cut off anywhere, the next call goes on where it stopped: the look
 * is in the journal before it is signed, and the paper in the ledger before it hangs at the image.
 * @param options.onlyFinish does nothing where no look was cut off
 * @returns false when there is nothing to do: it was never scanned, or the registry has it no longer
 * @throws WaybillError SCAN_FAILED when the advisories are too old to say anything, CONFLICT when the clock went backwards, what signer and registry throw
 */
export async function lookAtImage(
  world: World,
  entry: BuiltEntry,
  options: { readonly onlyFinish: boolean; readonly signal: AbortSignal },
): Promise<boolean> {
  using deadline = withDeadline(options.signal, withinMs, `looking again at ${entry.digest}`);
  const { signal } = deadline;
  const run = entry.run as RunId;
  const state = await world.journal.state(run);
  const image = state.images.find((each) => each.digest === entry.digest && each.repository === entry.repository);
  if (!image?.scanned || !isFinal(image.status)) return false;
  const cutOff = unfinished(image, world.clock.now());
  if (cutOff === undefined && options.onlyFinish) return false;
  if ((await world.registry.find(entry.repository, entry.digest)) === undefined) return false;
  const record = cutOff ?? (await look(world, state, { run, image, entry }, signal));
  await givePaper(world, { run, image: image.name, entry, record }, signal);
  const before = image.rescanned?.record;
  if (before !== undefined && before !== record) await world.scanning.documents.forget('record', before);
  return true;
}

function unfinished({ rescanned }: ImageState, now: Date): Digest | undefined {
  if (!rescanned || rescanned.signed) return undefined;
  const age = now.getTime() - Date.parse(rescanned.at);
  return age >= 0 && age < finishedWithinMs ? rescanned.record : undefined;
}

/** The waivers and the VEX of the run's commit, whose ends are judged now; the level of the run. @returns the record that the journal now knows */
async function look(
  world: World,
  state: RunState,
  { run, image, entry }: { readonly run: RunId; readonly image: ImageState; readonly entry: BuiltEntry },
  signal: AbortSignal,
): Promise<Digest> {
  const { head } = state;
  const { documents, scanners, databaseDays } = world.scanning;
  const { scanned, name, rescanned } = image;
  if (!scanned) throw new WaybillError('INTERNAL', `the image ${name} of run ${run} was never scanned`);
  const source = await dependenciesRecord(world, state);
  const first = {
    image: parseRecord(await documents.get('record', scanned.record)),
    ...(source ? { source } : {}),
  };
  const list = { sbom: await documents.get('sbom', scanned.sbom), source: { repository: head.repository, commit: head.commit } };
  const [today] = await scanners.rematch([list], { signal, log: () => undefined });
  if (!today) throw new WaybillError('INTERNAL', `the components of ${entry.digest} were not looked up`);
  requireLater(today.startedAt, rescanned?.at ?? first.image.report.finishedAt, world.clock.now());
  const stale = databaseReasons(today.coverage, { now: new Date(today.startedAt), databaseDays });
  if (stale.length > 0) throw new WaybillError('SCAN_FAILED', `it could not be looked up: ${stale.join('; ').slice(0, 1_000)}`);
  const { report, before } = lookedAgain(today, first);
  const { level } = scanned;
  const waivers = await readWaivers(world, head.repository, head.commit);
  const { record, digest } = await keepScan(world, report, { level, waivers, before: { name: entry.digest, keys: before } });
  await world.journal.append(run, {
    type: 'image-rescanned',
    image: name,
    digest: entry.digest,
    record: digest,
    passed: record.passed,
    level,
    found: countsOf(record),
  });
  return digest;
}

/** The signer refuses it as well; here nothing is written before. A look of the future was dated by a clock that was wrong, and keeps nobody away. */
function requireLater(startedAt: string, last: string, now: Date): void {
  const past = Date.parse(last);
  if (past > Date.parse(startedAt) && past <= now.getTime() + clockSkew)
    throw new WaybillError('CONFLICT', `the last look was at ${last}, and this one began at ${startedAt}: the clock went backwards`);
}

async function givePaper(world: World, looked: Looked, signal: AbortSignal): Promise<void> {
  const { run, entry, record } = looked;
  const { repository, digest } = entry;
  const paper = (await recordedPaper(world, looked)) ?? (await signAndRecord(world, looked));
  using push = await world.registry.mintPush({ repository, run, ttlMs: withinMs });
  using client = connectRegistry({ registry: world.registryAddress, plainHttp: true, auth: { bearer: push.token } });
  const subject = await client.resolve(repository, digest, signal);
  if (!subject) throw new WaybillError('NOT_FOUND', `${repository}@${digest} has gone from the registry`);
  // Dated by the ledger: done again, it is the same manifest.
  const referrer = referrerOf(paper, new Date(paper.at));
  const annotations = { ...referrer.annotations, [lookAnnotation]: paper.at };
  await client.attachReferrer(repository, subject, { ...referrer, annotations, signal });
  const { predicateType, index } = paper;
  await world.journal.append(run, { type: 'paper-signed', subject: digest, predicateType, ledgerIndex: index, record });
}

async function signAndRecord(world: World, { run, image }: Looked): Promise<Attestation> {
  const [paper] = await world.papers.imageRescan(run, image);
  if (!paper) throw new WaybillError('INTERNAL', `the signer gave no paper for the later look at ${image} of run ${run}`);
  return world.attestations.recordAttestation(paper.bundle, { predicateType: paper.predicateType, subjects: paper.subjects });
}

/** The paper of exactly this look, where it was signed before something was cut off. */
async function recordedPaper({ attestations }: Pick<World, 'attestations'>, { entry, record }: Looked): Promise<Attestation | undefined> {
  const newest = await attestations.newestAbout({ subject: entry.digest, predicateType: vulnerabilitiesType, limit: newestPapers });
  for (const { index } of newest) {
    const paper = await attestations.getAttestation(index);
    const { predicate } = JSON.parse(openBundle(paper.bundle).payload.toString('utf8')) as { readonly predicate?: unknown };
    const said = vulnerabilitiesPredicate.safeParse(predicate);
    if (said.success && said.data.waybill.again && said.data.waybill.record['sha256'] === hexOf(record)) return paper;
  }
  return undefined;
}
