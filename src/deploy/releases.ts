import type { Selectable } from 'kysely';
import { WaybillError } from '../kernel/error.ts';
import { parseDigest, type Digest } from '../kernel/digest.ts';
import { parseGitOid, type GitOid } from '../kernel/git-oid.ts';
import type { Clock } from '../kernel/clock.ts';
import type { RunId } from '../kernel/ids.ts';
import type { Store } from '../store/store.ts';

export type ReleaseStatus = 'started' | 'ready' | 'failed';

/** One deploy of digests and manifests to an environment. */
export type Release = {
  readonly id: number;
  readonly environment: string;
  readonly repository: string;
  readonly run: RunId;
  readonly commit: GitOid;
  /** Image name in the plan → digest. */
  readonly digests: Readonly<Record<string, Digest>>;
  readonly manifestDigest: Digest;
  readonly rollback: boolean;
  readonly status: ReleaseStatus;
  /** One sentence, when it failed. */
  readonly why?: string;
  readonly startedAt: string;
  readonly finishedAt?: string;
};

export type NewRelease = Omit<Release, 'id' | 'status' | 'why' | 'startedAt' | 'finishedAt'>;

export type Releases = {
  start(release: NewRelease): Promise<Release>;
  /** A release ends once. @throws WaybillError CONFLICT when it has ended already, NOT_FOUND */
  finish(id: number, outcome: { status: 'ready' } | { status: 'failed'; why: string }): Promise<Release>;
  get(id: number): Promise<Release | undefined>;
  /** Newest first. */
  list(filter: { environment?: string; repository?: string; run?: RunId; limit?: number }): Promise<Release[]>;
  /** The newest release that became ready: what is meant to run there. */
  current(environment: string, repository: string): Promise<Release | undefined>;
  /** Ends what an earlier process left started, as failed. Returns their ids. */
  abandon(why: string): Promise<number[]>;
};

type Table = {
  id: number;
  environment: string;
  repository: string;
  run: number;
  commit_oid: string;
  digests: string;
  manifest_digest: string;
  rollback: number;
  status: string;
  why: string | null;
  started_at: string;
  finished_at: string | null;
};
type Tables = { release: Table };

export function openReleases(store: Store, clock: Clock): Releases {
  const db = store.as<Tables>();
  const get = async (id: number) => {
    const row = await db.selectFrom('release').selectAll().where('id', '=', id).executeTakeFirst();
    return row && parseRow(row);
  };
  return {
    async start(release) {
      const row = {
        environment: release.environment,
        repository: release.repository,
        run: release.run,
        commit_oid: release.commit,
        digests: JSON.stringify(release.digests),
        manifest_digest: release.manifestDigest,
        rollback: release.rollback ? 1 : 0,
        status: 'started',
        why: null,
        started_at: clock.now().toISOString(),
        finished_at: null,
      };
      return await db.transaction().execute(async (trx) => {
        const last = await trx
          .selectFrom('release')
          .select((e) => e.fn.max('id').as('id'))
          .executeTakeFirst();
        const full = { id: Number(last?.id ?? 0) + 1, ...row };
        await trx.insertInto('release').values(full).execute();
        return parseRow(full);
      });
    },
    async finish(id, outcome) {
      const why = outcome.status === 'failed' ? outcome.why : null;
      const result = await db
        .updateTable('release')
        .set({ status: outcome.status, why, finished_at: clock.now().toISOString() })
        .where('id', '=', id)
        .where('status', '=', 'started')
        .executeTakeFirst();
      const release = await get(id);
      if (release === undefined) throw new WaybillError('NOT_FOUND', `there is no release ${id}`);
      if (result.numUpdatedRows === 0n) throw new WaybillError('CONFLICT', `the release ${id} has ended already: ${release.status}`);
      return release;
    },
    get,
    async list({ environment, repository, run, limit = 100 }) {
      let query = db.selectFrom('release').selectAll().orderBy('id', 'desc').limit(Math.min(limit, 1000));
      if (environment !== undefined) query = query.where('environment', '=', environment);
      if (repository !== undefined) query = query.where('repository', '=', repository);
      if (run !== undefined) query = query.where('run', '=', run);
      return (await query.execute()).map(parseRow);
    },
    async current(environment, repository) {
      const row = await db
        .selectFrom('release')
        .selectAll()
        .where('environment', '=', environment)
        .where('repository', '=', repository)
        .where('status', '=', 'ready')
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row && parseRow(row);
    },
    async abandon(why) {
      return await db.transaction().execute(async (trx) => {
        const rows = await trx.selectFrom('release').select('id').where('status', '=', 'started').orderBy('id').execute();
        const finished_at = clock.now().toISOString();
        await trx.updateTable('release').set({ status: 'failed', why, finished_at }).where('status', '=', 'started').execute();
        return rows.map((row) => row.id);
      });
    },
  };
}

function parseRow(row: Selectable<Table>): Release {
  const { status } = row;
  if (status !== 'started' && status !== 'ready' && status !== 'failed')
    throw new WaybillError('STORE_FAILED', `the release ${row.id} has the unknown status ${status}`);
  const digests = Object.entries(JSON.parse(row.digests) as Record<string, string>);
  return {
    id: row.id,
    environment: row.environment,
    repository: row.repository,
    run: row.run as RunId,
    commit: parseGitOid(row.commit_oid),
    digests: Object.fromEntries(digests.map(([name, digest]) => [name, parseDigest(digest)])),
    manifestDigest: parseDigest(row.manifest_digest),
    rollback: row.rollback === 1,
    status,
    ...(row.why !== null && { why: row.why }),
    startedAt: row.started_at,
    ...(row.finished_at !== null && { finishedAt: row.finished_at }),
  };
}
