import type { TraceNode } from '../api/trace-view.ts';
import { signaturesText } from '../evidence/upstream/signatures-text.ts';
import { isDigest, type Digest } from '../kernel/digest.ts';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { ChangeId, RunId } from '../kernel/ids.ts';
import { findRuns } from '../run/queries.ts';
import type { Change } from '../source/port.ts';
import { examinedOf } from './examine-import.ts';
import { showRun } from './show-run.ts';
import type { World } from './world.ts';

const node = (
  kind: TraceNode['kind'],
  name: string,
  detail: Record<string, string | undefined> = {},
  children: TraceNode[] = [],
): TraceNode => ({
  kind,
  name,
  detail: Object.fromEntries(Object.entries(detail).filter((entry): entry is [string, string] => entry[1] !== undefined)),
  children,
});

const short = (oid: string): string => oid.slice(0, 12);

/**
 * Walks the whole way from any place on it. Subject: `change/3`, `run/7`, a digest or image reference, a commit (at least 7 digits), or
 * `deployment/NAME` (any workload kind) in an environment. @throws WaybillError NOT_FOUND, INVALID_INPUT
 */
export async function trace(world: World, subject: string, environment?: string): Promise<TraceNode> {
  const numbered = /^(change|run)\/(\d{1,9})$/.exec(subject);
  if (numbered?.[1] === 'change') return traceChange(world, Number(numbered[2]) as ChangeId);
  if (numbered?.[1] === 'run') return traceRun(world, Number(numbered[2]) as RunId);
  const digest = /sha256:[0-9a-f]{64}$/.exec(subject)?.[0];
  if (digest !== undefined && isDigest(digest)) return traceImage(world, digest);
  if (/^[0-9a-f]{7,64}$/.test(subject)) return traceCommit(world, subject);
  const workload = /^([a-z]+)\/([a-z0-9][a-z0-9.-]*)$/.exec(subject);
  if (workload) return traceWorkload(world, workload[1] ?? '', workload[2] ?? '', environment);
  throw new WaybillError('INVALID_INPUT', `${JSON.stringify(subject.slice(0, 100))} names nothing that can be traced`, {
    fix: 'Give an image digest, a commit, change/N, run/N or deployment/NAME.',
  });
}

async function traceWorkload(world: World, kind: string, name: string, only: string | undefined): Promise<TraceNode> {
  const environments = (await world.environments.list()).filter((each) => only === undefined || each.name === only);
  for (const environment of environments) {
    await using target = await world.target(environment);
    const running = await target.running({ signal: AbortSignal.timeout(30_000) });
    const mine = running.filter((each) => each.workload.toLowerCase() === `${kind} ${name}`);
    if (mine.length === 0) continue;
    const children: TraceNode[] = [];
    for (const container of mine) {
      const pod = node('workload', `pod ${container.pod}`, { container: container.container, image: container.image });
      if (container.digest) pod.children.push(await traceImage(world, container.digest));
      children.push(pod);
    }
    return node('workload', `${kind}/${name}`, { environment: environment.name, namespace: environment.namespace }, children);
  }
  throw new WaybillError('NOT_FOUND', `no environment${only === undefined ? '' : ` ${only}`} runs ${kind}/${name}`);
}

async function traceImage(world: World, digest: Digest): Promise<TraceNode> {
  const papers = await world.attestations.findAttestations({ subject: digest });
  const known = (await world.papers.snapshot())?.snapshot.images.find((image) => image.digest === digest);
  const children = papers.map((paper) => node('paper', paper.predicateType, { ledger: String(paper.index), signed: paper.at }));
  for (const release of (await world.releases.list({ limit: 1000 })).filter((each) => Object.values(each.digests).includes(digest))) {
    children.push(
      node('release', `${release.environment} ${release.id}`, { status: release.status, at: release.startedAt, why: release.why }),
    );
  }
  if (known?.imported) {
    const { number, reference, requestedBy, approvals } = known.imported;
    const made = await world.imports.get(number);
    const signatures = made && examinedOf(made)?.signatures;
    children.push(
      node('import', String(number), {
        from: reference,
        asked: requestedBy,
        vouched: approvals.join(', '),
        'signed upstream': signatures && signaturesText(signatures),
      }),
    );
  } else if (known) children.push(await traceRun(world, known.run as RunId));
  if (children.length === 0)
    throw new WaybillError('NOT_FOUND', `${digest} has no papers here`, {
      fix: 'No run of this Waybill has built it; the gate refuses it.',
    });
  return node(
    'image',
    known ? `${world.registryName}/${known.repository}@${digest}` : digest,
    {
      'valid until': known?.validUntil,
      'looked up': known?.imported ? undefined : known?.scans?.vulnerabilities?.at,
      'worst open': known?.imported ? undefined : known?.scans?.vulnerabilities?.worst,
    },
    children,
  );
}

async function traceRun(world: World, id: RunId): Promise<TraceNode> {
  const run = await showRun(world, id);
  const children: TraceNode[] = [
    ...run.stages.map((stage) =>
      node('stage', stage.name, {
        status: stage.status,
        jobs: stage.jobs.map((job) => job.name).join(', '),
        from: stage.executedIn === undefined ? undefined : `run ${stage.executedIn}`,
      }),
    ),
    ...(run.bases ?? []).map((base) => node('image', base.reference.split('@', 1)[0] ?? '', { as: 'base', digest: base.digest })),
    ...run.images.map((image) => node('image', image.name, { status: image.status, digest: image.digest })),
    ...run.deploys.map((deploy) => node('release', deploy.environment, { status: deploy.status, reached: deploy.endpoints?.join(' ') })),
    await traceSource(world, run.repository, run.commit as GitOid),
  ];
  return node('run', String(id), { event: run.event, repository: run.repository, status: run.status, at: run.createdAt }, children);
}

async function traceSource(world: World, repository: string, commit: GitOid): Promise<TraceNode> {
  const info = await world.source.commitInfo(repository, commit);
  const merged = await world.source.reviewedCommit(repository, commit);
  const children = merged ? [describeChange(await world.source.getChange(merged.change))] : [];
  return node('commit', short(commit), { title: info.title, tree: short(info.tree) }, children);
}

function describeChange(change: Change): TraceNode {
  const { merge } = change;
  return node(
    'change',
    String(change.id),
    { title: change.title, state: change.state, merged: merge && `${merge.method} by ${merge.mergedBy} at ${merge.mergedAt}` },
    [
      ...change.versions.map((version) =>
        node('commit', short(version.head), { version: String(version.version), 'pushed by': version.pusher, at: version.pushedAt }),
      ),
      ...change.reviews.map((review) =>
        node('review', review.reviewer, {
          verdict: review.verdict,
          version: String(review.version),
          counts: review.current ? 'yes' : 'no, a newer version was pushed',
          at: review.at,
        }),
      ),
    ],
  );
}

/** From a change forward: its runs, and what came of them. */
async function traceChange(world: World, id: ChangeId): Promise<TraceNode> {
  const root = describeChange(await world.source.getChange(id));
  for (const run of await findRuns(world.store, { change: id })) {
    const view = await showRun(world, run.id);
    const images = await Promise.all(
      view.images.map(async ({ name, digest }) =>
        digest === undefined ? node('image', name, {}) : forwardImage(world, name, digest as Digest),
      ),
    );
    root.children.push(node('run', String(run.id), { event: run.event, status: view.status, at: run.createdAt }, images));
  }
  return root;
}

/** An image with its papers and releases, without the way back. */
async function forwardImage(world: World, name: string, digest: Digest): Promise<TraceNode> {
  const papers = await world.attestations.findAttestations({ subject: digest });
  const releases = (await world.releases.list({ limit: 1000 })).filter((release) => Object.values(release.digests).includes(digest));
  return node('image', name, { digest }, [
    ...papers.map((paper) => node('paper', paper.predicateType, { ledger: String(paper.index) })),
    ...releases.map((release) =>
      node('release', `${release.environment} ${release.id}`, { status: release.status, at: release.startedAt }),
    ),
  ]);
}

async function traceCommit(world: World, prefix: string): Promise<TraceNode> {
  for (const { name } of await world.source.listRepositories()) {
    const merged = (await world.source.mergedCommits(name)).find((each) => each.commit.startsWith(prefix) || each.head.startsWith(prefix));
    if (merged) {
      const root = await traceSource(world, name, merged.commit);
      root.children.push(...(await traceChange(world, merged.change)).children.filter((child) => child.kind === 'run'));
      return root;
    }
    const change = (await world.source.listChanges({ repository: name })).find((each) =>
      each.versions.some((version) => version.head.startsWith(prefix)),
    );
    if (change) return traceChange(world, change.id);
    const commit = await world.source.commitInfo(name, prefix as GitOid).catch((error: unknown) => {
      if (isWaybillError(error, 'NOT_FOUND', 'INVALID_INPUT', 'GIT_FAILED')) return undefined;
      throw error;
    });
    if (commit) return traceSource(world, name, prefix as GitOid);
  }
  throw new WaybillError('NOT_FOUND', `no repository has a commit ${prefix}`);
}
