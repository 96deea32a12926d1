import { mkdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../kernel/clock.ts';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { GitOid } from '../../kernel/git-oid.ts';
import type { ChangeId, PersonId, RepositoryName } from '../../kernel/ids.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Store } from '../../store/store.ts';
import { readPeople } from '../people-index.ts';
import type { Change, ChangeState, ChangeVersion, Repository, ReviewedCommit } from '../port.ts';
import type { SourceTables } from '../tables.ts';
import { parseMerge, publicChange, selectChange, selectChanges } from './changes.ts';
import { parsePushOptions } from './continuation.ts';
import { findHttpBackend, makeGit } from './git.ts';
import { programPath } from './git-config.ts';
import { handleGitHttp } from './git-http.ts';
import { serveHooks } from './hook-server.ts';
import { pushInitial, settleInitialPush } from './initial-push.ts';
import { KeyedLock } from '../../kernel/keyed-lock.ts';
import { isAncestor, mergeChange, settleMerges, type MergeOptions } from './merging.ts';
import { procReceive, type Judge, type Push, type Refusal } from './proc-receive.ts';
import { propose } from './propose.ts';
import { tipOf } from './range.ts';
import { archive, commitInfo, listFiles, readFile, treeOf, type CommitInfo } from './reading.ts';
import { makeRepositories, publicRepository } from './repositories.ts';
import { abandonChange, reviewChange, type Actor, type ReviewOptions } from './reviewing.ts';

export type InitialPush = { readonly repository: RepositoryName; readonly commit: GitOid; readonly person: PersonId };

/** A push that is allowed by its refs, whose objects are here and whose refs are not. */
export type InspectedPush = {
  readonly repository: RepositoryName;
  readonly person: PersonId;
  readonly head: GitOid;
  /** Of the protected branch; undefined before its first push. */
  readonly tip?: GitOid;
  /** The bare repository, and the whole environment of a git process in it. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
};

export type LocalSourceOptions = {
  readonly store: Store;
  readonly identity: Identity;
  /** Bare repositories are `<folder>/<name>.git`. */
  readonly folder: string;
  /** Path of the Unix socket that is served to the hooks; at most 100 bytes. */
  readonly hookSocket: string;
  /** Path of a node binary that runs the hook relay. */
  readonly node: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** After a version is recorded; the message goes to the pusher. A failure is logged and told; the version stays. */
  onProposed(change: Change, version: ChangeVersion): Promise<{ readonly message: string }>;
  /** After an administrator's first push is recorded; as above. */
  onInitialPush(push: InitialPush): Promise<{ readonly message: string }>;
  onRefused?(refusal: Refusal): void;
  /** Looks at what a push adds before anything of it is recorded; a WaybillError that it throws refuses the push. */
  inspectPush?(push: InspectedPush): Promise<void>;
  /** Held around everything that moves refs or folders together with rows, and around nothing that waits for a client. */
  hold?(): Promise<Disposable>;
  /** Default 1, which is also the least. */
  readonly requiredApprovals?: number;
  /** Where git and sh are looked for, in the form of PATH. */
  readonly path?: string;
};

/** Embedded Git hosting: repositories, changes, reviews and merges. Takes roles from `identity` anew at every act. */
export type LocalSource = AsyncDisposable & {
  createRepository(options: { readonly name: string; readonly protectedBranch?: string }): Promise<Repository>;
  listRepositories(): Promise<Repository[]>;
  getRepository(name: string): Promise<Repository | undefined>;
  /** Moves the folder to `.removed/`; changes stay readable by number. */
  removeRepository(name: string): Promise<void>;
  /** Serves `/git/<name>.git/…`; always answers, never rejects. The body must not have been read. */
  handleHttp(request: IncomingMessage, response: ServerResponse): Promise<void>;

  /** Newest first. */
  listChanges(filter?: { readonly repository?: string; readonly state?: ChangeState; readonly limit?: number }): Promise<Change[]>;
  /** @throws WaybillError NOT_FOUND */
  getChange(id: ChangeId): Promise<Change>;
  approve(id: ChangeId, person: Actor, options?: ReviewOptions): Promise<Change>;
  reject(id: ChangeId, person: Actor, options?: ReviewOptions): Promise<Change>;
  abandon(id: ChangeId, person: Actor): Promise<Change>;
  merge(id: ChangeId, person: Actor, options: MergeOptions): Promise<ReviewedCommit>;

  /** The merge that made this commit; `undefined` for every other commit, the initial one too. */
  reviewedCommit(repository: string, commit: GitOid): Promise<ReviewedCommit | undefined>;
  /** Newest first. */
  mergedCommits(repository: string, options?: { readonly limit?: number }): Promise<ReviewedCommit[]>;
  isInitialCommit(repository: string, commit: GitOid): Promise<boolean>;
  initialPush(repository: string): Promise<InitialPush | undefined>;

  archive(repository: string, commit: GitOid, signal: AbortSignal): Promise<NodeJS.ReadableStream>;
  readFile(repository: string, commit: GitOid, path: string, options: { readonly maxBytes: number }): Promise<Buffer | undefined>;
  listFiles(repository: string, commit: GitOid, prefix: string): Promise<string[]>;
  /** The protected branch's commit; `undefined` before the first push. */
  tip(repository: string): Promise<GitOid | undefined>;
  treeOf(repository: string, commit: GitOid): Promise<GitOid>;
  commitInfo(repository: string, commit: GitOid): Promise<CommitInfo>;
  /** Also true for a commit and itself. */
  isAncestor(repository: string, ancestor: GitOid, descendant: GitOid): Promise<boolean>;
};

/**
 * Checks git, settles what a crash left, and serves the hook socket.
 * @throws WaybillError MISSING_PROGRAM without git 2.38; CONFLICT when another server holds the socket
 */
export async function openLocalSource(options: LocalSourceOptions): Promise<LocalSource> {
  const { store, identity, clock, logger } = options;
  const path = options.path ?? programPath;
  const backend = await findHttpBackend(path);
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const closing = new AbortController();
  const git = makeGit(path, closing.signal);
  const repositories = makeRepositories(store, git, options.folder, clock);
  const locks = new KeyedLock<number>();
  const requiredApprovals = options.requiredApprovals ?? 1;
  const parts = {
    store,
    identity,
    git,
    clock,
    locks,
    numbers: new KeyedLock<'change'>(),
    repositories,
    requiredApprovals,
    signal: closing.signal,
  };
  const db = store.as<SourceTables>();

  for (const repository of await repositories.list()) {
    await settleInitialPush(parts, repository);
    await settleMerges(parts, repository);
  }

  const told = async (what: () => Promise<{ readonly message: string }>) => {
    try {
      return await what();
    } catch (error) {
      logger.error({ error: messageOf(error) }, 'a push was recorded, but what follows it failed');
      return { message: 'It is recorded, but what should follow did not start; the log of the server says why.' };
    }
  };
  const held = async <T>(move: () => Promise<T>): Promise<T> => {
    using _held = await options.hold?.();
    return await move();
  };
  const inspect = async ({ repository, person }: Push, head: GitOid) => {
    const tip = await tipOf(git, repository.folder, repository.protectedBranch);
    await options.inspectPush?.({
      repository: repository.name,
      person,
      head,
      ...(tip === undefined ? {} : { tip }),
      folder: repository.folder,
      environment: git.environment,
      signal: closing.signal,
    });
  };
  const judge: Judge = {
    logger,
    refused: (refusal) => {
      logger.info(refusal, 'push refused');
      options.onRefused?.(refusal);
    },
    isEmpty: async (repository) => (await tipOf(git, repository.folder, repository.protectedBranch)) === undefined,
    async pushInitial({ repository, person }, head) {
      await inspect({ repository, person }, head);
      await held(() => pushInitial(parts, { repository, person, head }));
      return told(() => options.onInitialPush({ repository: repository.name, commit: head, person }));
    },
    async propose({ repository, person }, head, pushOptions) {
      await inspect({ repository, person }, head);
      const proposal = await held(() => propose(parts, { repository, person, head, wish: parsePushOptions(pushOptions) }));
      return { proposal, ...(await told(() => options.onProposed(proposal.change, proposal.version))) };
    },
  };

  const pushes = new Map<string, Push>();
  const hooks = await serveHooks({
    socket: options.hookSocket,
    logger,
    async handle(call) {
      const push = pushes.get(call.push);
      pushes.delete(call.push);
      if (!push || call.hook !== 'proc-receive')
        throw new WaybillError('FORBIDDEN', 'this push did not come through the server', { fix: 'Push over HTTP.' });
      return procReceive(call, push, judge);
    },
  });
  const hookEnvironment = {
    WAYBILL_NODE: options.node,
    WAYBILL_HOOK_RELAY: fileURLToPath(new URL('./hook.mjs', import.meta.url)),
    WAYBILL_HOOK_SOCKET: options.hookSocket,
  };
  const running = new Set<object>();
  const http = {
    running,
    identity,
    repositories,
    git,
    backend,
    root: options.folder,
    pushes,
    hookEnvironment,
    signal: closing.signal,
    logger,
  };
  const requests = new Set<Promise<void>>();
  const place = async (name: string) => (await repositories.get(name)).folder;

  return {
    async [Symbol.asyncDispose]() {
      closing.abort(new WaybillError('CANCELLED', 'the server stops'));
      await hooks[Symbol.asyncDispose]();
      await Promise.all(requests);
    },
    createRepository: (repository) => held(() => repositories.create(repository)),
    listRepositories: async () => (await repositories.list()).map(publicRepository),
    async getRepository(name) {
      const found = await repositories.find(name);
      return found && publicRepository(found);
    },
    async removeRepository(name) {
      await held(async () => {
        using _locked = await locks.take((await repositories.get(name)).number);
        await repositories.remove(name);
      });
    },
    handleHttp(request, response) {
      const served = handleGitHttp(http, request, response).finally(() => requests.delete(served));
      requests.add(served);
      return served;
    },

    async listChanges(filter = {}) {
      const { repository, ...rest } = filter;
      const number = repository === undefined ? {} : { repositoryNumber: (await repositories.get(repository)).number };
      return (await selectChanges(db, await readPeople(identity), { ...rest, ...number })).map(publicChange);
    },
    getChange: async (id) => publicChange(await selectChange(db, await readPeople(identity), id)),
    approve: (id, person, review = {}) => reviewChange(parts, id, person, 'approve', review),
    reject: (id, person, review = {}) => reviewChange(parts, id, person, 'reject', review),
    abandon: (id, person) => abandonChange(parts, id, person),
    merge: (id, person, merge) => held(() => mergeChange(parts, id, person, merge)),

    async reviewedCommit(name, commit) {
      const { number, name: repository } = await repositories.get(name);
      const row = await db
        .selectFrom('merge')
        .selectAll()
        .where('repository_id', '=', number)
        .where('commit', '=', commit)
        .where('state', '=', 'done')
        .executeTakeFirst();
      return row && parseMerge(row, repository);
    },
    async mergedCommits(name, { limit = 1000 } = {}) {
      const { number, name: repository } = await repositories.get(name);
      const done = db.selectFrom('merge').selectAll().where('repository_id', '=', number).where('state', '=', 'done');
      const rows = await done.orderBy('merged_at', 'desc').orderBy('change_id', 'desc').limit(limit).execute();
      return rows.map((row) => parseMerge(row, repository));
    },
    isInitialCommit: async (name, commit) => (await findInitial(name))?.commit === commit,
    initialPush: (name) => findInitial(name),

    archive: async (name, commit, signal) => archive(git, await place(name), commit, AbortSignal.any([signal, closing.signal])),
    readFile: async (name, commit, file, limits) => readFile(git, await place(name), commit, file, limits),
    listFiles: async (name, commit, prefix) => listFiles(git, await place(name), commit, prefix),
    async tip(name) {
      const { folder, protectedBranch } = await repositories.get(name);
      return tipOf(git, folder, protectedBranch);
    },
    treeOf: async (name, commit) => treeOf(git, await place(name), commit),
    commitInfo: async (name, commit) => commitInfo(git, await place(name), commit),
    isAncestor: async (name, ancestor, descendant) => isAncestor(git, await place(name), ancestor, descendant),
  };

  async function findInitial(name: string): Promise<InitialPush | undefined> {
    const { number, name: repository } = await repositories.get(name);
    const done = db.selectFrom('initial_push').selectAll().where('repository_id', '=', number).where('state', '=', 'done');
    const row = await done.executeTakeFirst();
    return row && { repository, commit: row.commit as GitOid, person: row.person as PersonId };
  }
}
