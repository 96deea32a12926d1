import type { Clock } from '../../kernel/clock.ts';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import { silentLogger, type Logger } from '../../kernel/logger.ts';
import { signStatement, type Paper } from '../bundle.ts';
import { signSimple } from '../cosign-forms.ts';
import type { BaseFacts } from '../base-facts.ts';
import { basesOf, type NamedBase, type ScanFacts, type SourceFacts } from '../facts.ts';
import { keyRingFile, usableKey, type KeyRing, type SigningKey } from '../keys.ts';
import { signSnapshot } from '../snapshot-envelope.ts';
import type { Statement } from '../statement.ts';
import { importStatement } from '../statements/import.ts';
import { provenanceStatement } from '../statements/provenance.ts';
import { reviewStatement, sourceSummaryStatement, type SourceLevel } from '../statements/review.ts';
import { summaryStatement, type BuildLevel } from '../statements/summary.ts';
import { sbomStatement } from '../statements/sbom.ts';
import { secretScanStatement } from '../statements/secret-scan.ts';
import { testsStatement } from '../statements/tests.ts';
import { vulnerabilitiesStatement } from '../statements/vulnerabilities.ts';
import type { Vsa } from '../statements/vsa.ts';
import type { UpstreamSignatures } from '../upstream/upstream-signatures.ts';
import type { ImageSubject, Names } from '../subjects.ts';
import type { FactsSource } from './facts-source.ts';
import { judgePapers, requireBase, requireReview, requireVouched } from './judge-papers.ts';
import { badSince, lookBefore } from './bad-since.ts';
import { newestLooks } from './newest-look.ts';
import { requireRescan } from './require-rescan.ts';
import type { SignerAnswers, SignerRequest } from './protocol.ts';
import { makeSnapshot, type SignedSnapshot } from './make-snapshot.ts';
import type { StateFile } from './state-file.ts';

/** Signs the ledger's heads, each only when it extends the last one (ledger/checkpoint-signer.ts). */
export type CheckpointAuthority = {
  readonly verifierKey: string;
  lastSize(): Promise<number>;
  sign(head: { readonly size: number; readonly root: string; readonly consistency: readonly string[] }): Promise<string>;
};

export type AttestorOptions = {
  readonly papersKey: SigningKey;
  /** Must hold the papers key; also what `keys` answers. */
  readonly ring: KeyRing;
  readonly checkpoints: CheckpointAuthority;
  /** Where the sequence of the last snapshot is kept. */
  readonly snapshotState: StateFile<SignedSnapshot>;
  readonly clock: Clock;
  readonly names: Names;
  /** The policy that a summary says was satisfied. */
  readonly policy: Vsa['policy'];
  readonly facts: FactsSource;
  /** The administrator's policy on bases: why it refuses one, with what its verified papers say. Default: it refuses none. */
  readonly refuseBase?: (base: NamedBase, papers: readonly BaseFacts[], at: Date) => string | undefined;
  readonly logger?: Logger;
  /** What the operator can justify: see SLSA's build and source tracks. 1 and 1 when nothing is said. */
  readonly levels?: { readonly build?: BuildLevel; readonly source?: SourceLevel };
  /** How long a summary holds at the gate (days, 90) and how long a snapshot is fresh (minutes, 60). */
  readonly validity?: { readonly summaryDays?: number; readonly snapshotMinutes?: number };
};

export type Attestor = <K extends SignerRequest['kind']>(request: Extract<SignerRequest, { kind: K }>) => Promise<SignerAnswers[K]>;

/**
 * The attestor: the one place where papers are signed, and only about what `facts` shows to have happened. A request chooses what is
 * attested, never what is said. The signature of a summary is a verdict: see `judgePapers`.
 */
export function makeAttestor(options: AttestorOptions): Attestor {
  const { papersKey, ring, checkpoints, clock, names, policy, facts, logger = silentLogger } = options;
  const { build: buildLevel = 1, source: sourceLevel = 1 } = options.levels ?? {};
  const { summaryDays = 90, snapshotMinutes = 60 } = options.validity ?? {};
  let snapshotTurn: Promise<unknown> = Promise.resolve();
  const withNewestLooks = newestLooks(ring, (image) => facts.looks(image));

  const sign = (statement: Statement<object>): Paper => {
    usableKey(ring, papersKey.keyId, clock.now());
    return signStatement(statement, papersKey);
  };
  /** The image by name, if its build is of the same commit and tree as what is attested about it. */
  const imageOf = async (run: number, image: string | undefined, source: SourceFacts): Promise<[] | [ImageSubject]> => {
    if (image === undefined) return [];
    const build = await facts.build(run, image);
    if (build.source.repository !== source.repository || build.source.commit !== source.commit || build.source.tree !== source.tree)
      throw new WaybillError(
        'VERDICT_REFUSED',
        `the image ${image} of run ${run} is built from ${build.source.commit}, not from ${source.commit}`,
      );
    return [build.image];
  };

  const verbs: { [K in SignerRequest['kind']]: (request: Extract<SignerRequest, { kind: K }>) => Promise<SignerAnswers[K]> } = {
    async review({ run, image: name }) {
      const review = await facts.review(run);
      requireReview(review, review.source.tree);
      const image = await imageOf(run, name, review.source);
      const summary = { names, policy, level: sourceLevel, at: clock.now(), ...(image[0] && { image: image[0] }) };
      return { papers: [sign(reviewStatement(review, names, ...image)), sign(sourceSummaryStatement(review, summary))] };
    },
    async tests({ run, stage, image: name }) {
      const tests = await facts.tests(run, stage);
      if (tests.run !== run || tests.stage !== stage || tests.jobs.length === 0 || tests.jobs.some((job) => job.status !== 'passed'))
        throw new WaybillError('VERDICT_REFUSED', `the stage ${stage} of run ${run} did not pass`);
      return { papers: [sign(testsStatement(tests, names, ...(await imageOf(run, name, tests.source))))] };
    },
    async scan({ run, scan, image: name }) {
      const found = await facts.scan(run, scan);
      requireScan(found, run, scan);
      const image = await imageOf(run, name, found.source);
      return {
        papers: [sign(scan === 'secrets' ? secretScanStatement(found, names, ...image) : vulnerabilitiesStatement(found, names, ...image))],
      };
    },
    async 'image-scan'({ run, image: name }) {
      const found = await facts.imageScan(run, name);
      requireScan(found, run, 'image');
      const [image] = await imageOf(run, name, found.source);
      requireSame(found.image, image, `the scan of the image ${name} of run ${run}`);
      return { papers: [sign(vulnerabilitiesStatement(found, names, image))] };
    },
    async 'image-rescan'({ run, image: name }) {
      const found = await facts.imageRescan(run, name);
      requireRescan(found, run, clock.now());
      const last = await options.snapshotState.load();
      if (last && Date.parse(last.issuedAt) > clock.now().getTime())
        throw new WaybillError('VERDICT_REFUSED', `a snapshot was signed at ${last.issuedAt}: the clock went backwards`);
      const [image] = await imageOf(run, name, found.source);
      requireSame(found.image, image, `the later look at the image ${name} of run ${run}`);
      const before = await lookBefore(options.ring, facts.looks, { image: image.digest, source: found.source });
      return { papers: [sign(vulnerabilitiesStatement(found, names, image, badSince(before, found)))] };
    },
    async sbom({ run, image: name }) {
      const found = await facts.sbom(run, name);
      const [image] = await imageOf(run, name, found.source);
      requireSame(found.image, image, `the list of components of the image ${name} of run ${run}`);
      return { papers: [sign(sbomStatement(found))] };
    },
    async provenance({ run, image }) {
      const build = await facts.build(run, image);
      if (build.run !== run || build.image.name !== image)
        throw new WaybillError('VERDICT_REFUSED', `run ${run} did not build the image ${image}`);
      return { papers: [sign(provenanceStatement(build, names))] };
    },
    async summary({ run, image: name }) {
      const build = await facts.build(run, name);
      const at = clock.now();
      const judgement = judgePapers({
        build,
        requiredStages: await facts.requiredStages(run),
        requiredScans: await facts.requiredScans(run),
        papers: await facts.papers(build.image.digest),
        builderId: names.builderId,
        ring,
        at,
      });
      for (const base of basesOf(build)) {
        const papers = requireBase(base, await facts.papers(base.digest), ring, at);
        const why = options.refuseBase?.(base, papers, at);
        if (why !== undefined)
          throw new WaybillError('VERDICT_REFUSED', `its base ${base.reference} (${base.digest}) is not allowed: ${why}`);
      }
      const { review } = judgement;
      const { digest, repository } = build.image;
      const paper = sign(
        summaryStatement({
          names,
          policy,
          at,
          inputs: judgement.inputs,
          levels: [`SLSA_BUILD_LEVEL_${buildLevel}`],
          image: {
            digest,
            repository,
            source: { repository: build.source.repository, commit: build.source.commit, tree: build.source.tree },
            review: { change: review.change, method: review.method, approvals: review.approvals.map((approval) => approval.reviewer) },
            tests: judgement.stages.map((stage) => ({ stage, passed: true })),
            provenance: true,
            ...(judgement.scans ? { scans: judgement.scans } : {}),
            run,
            validUntil: new Date(at.getTime() + summaryDays * 86_400_000).toISOString(),
          },
        }),
      );
      const reference = names.imageUri(repository).replace(/^[a-z]+:\/\//, '');
      return { papers: [paper], signature: signSimple(build.image, reference, papersKey) };
    },
    async import({ number }) {
      const imported = await facts.import(number);
      requireVouched(imported);
      const at = clock.now();
      const paper = sign(importStatement(imported));
      const { digest, repository } = imported.image;
      const { reference, requestedBy } = imported;
      const summary = sign(
        summaryStatement({
          names,
          policy,
          at,
          inputs: [{ predicateType: paper.predicateType, digest: paper.digest }],
          // Nothing is known about how it was built.
          levels: ['SLSA_BUILD_LEVEL_0'],
          image: {
            digest,
            repository,
            imported: {
              number,
              reference,
              requestedBy,
              approvals: imported.approvals.map((approval) => approval.reviewer),
              ...signedBy(imported.signatures),
            },
            validUntil: new Date(at.getTime() + summaryDays * 86_400_000).toISOString(),
          },
        }),
      );
      const name = names.imageUri(repository).replace(/^[a-z]+:\/\//, '');
      return { papers: [paper, summary], signature: signSimple(imported.image, name, papersKey) };
    },
    async checkpoint() {
      return { note: await checkpoints.sign(await facts.ledgerHead(await checkpoints.lastSize())) };
    },
    snapshot() {
      const turn = snapshotTurn.then(async () => {
        usableKey(ring, papersKey.keyId, clock.now());
        const { snapshot, skipped } = makeSnapshot(await facts.snapshot(), {
          ring,
          now: clock.now(),
          minutes: snapshotMinutes,
          last: await options.snapshotState.load(),
        });
        for (const reason of skipped) logger.warn({ reason }, 'signer: a summary was left out of the snapshot');
        const looked = await withNewestLooks(snapshot.images, clock.now());
        for (const reason of looked.skipped) logger.warn({ reason }, 'signer: a later look at an image does not count');
        await options.snapshotState.save({ sequence: snapshot.sequence, issuedAt: snapshot.issuedAt });
        return { envelope: signSnapshot({ ...snapshot, images: looked.images }, papersKey) };
      });
      // The next one waits for this one, whatever becomes of it; its caller gets the error.
      snapshotTurn = turn.then(
        () => undefined,
        () => undefined,
      );
      return turn;
    },
    async keys() {
      return { ring: keyRingFile(ring), checkpoint: checkpoints.verifierKey };
    },
  };

  return async (request) => {
    try {
      return await verbs[request.kind](request);
    } catch (error) {
      if (error instanceof WaybillError) throw error;
      throw new WaybillError('INTERNAL', `the signer could not make the ${request.kind} paper: ${messageOf(error)}`, { cause: error });
    }
  };
}

function requireScan(found: ScanFacts, run: number, scan: ScanFacts['scan']): void {
  if (found.run !== run || found.scan !== scan) throw new WaybillError('VERDICT_REFUSED', `run ${run} has no scan of ${scan}`);
  if (scan === 'secrets' && (found.rules?.count ?? 0) === 0)
    throw new WaybillError('VERDICT_REFUSED', `the scan of ${scan} of run ${run} had no rules`);
  const open = found.findings.find((each) => each.fails);
  if (open) throw new WaybillError('VERDICT_REFUSED', `the scan of ${scan} of run ${run} found ${open.id}, which nobody accepted`);
}

function requireSame(found: ImageSubject | undefined, image: ImageSubject | undefined, what: string): asserts image is ImageSubject {
  if (found === undefined || image === undefined || found.digest !== image.digest || found.repository !== image.repository)
    throw new WaybillError('VERDICT_REFUSED', `${what} is about another image`);
}

function signedBy(signatures: UpstreamSignatures | undefined): { signedBy?: string[] } {
  if (signatures?.outcome !== 'verified') return {};
  const keys = [...new Set(signatures.verified.map((each) => each.keyId))];
  return keys.length > 0 ? { signedBy: keys } : {};
}
