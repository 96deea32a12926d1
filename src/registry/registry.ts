import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../kernel/clock.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { isName } from '../kernel/ids.ts';
import { KeyedLock } from '../kernel/keyed-lock.ts';
import type { Logger } from '../kernel/logger.ts';
import { Secret } from '../kernel/secret.ts';
import { isContentDigest, type ContentDigest } from '../oci/content-digest.ts';
import { isRepositoryPath } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import { BearerTokens, type Access } from './access.ts';
import { createAuthority, openAuthority, type Authenticate, type Refusal } from './authority.ts';
import { openBlobStore } from './blob-store.ts';
import { openCatalog, type Catalog } from './catalog.ts';
import { checkRegistry, type CheckOptions, type CheckReport } from './check.ts';
import { clientAddress } from './client-address.ts';
import { collectGarbage, type Collected, type CollectOptions } from './collect.ts';
import { openGrantLog, type TokenGrant } from './grant-log.ts';
import { createHandler } from './handler.ts';
import { Leases } from './leases.ts';
import { defaultLimits, type RegistryLimits } from './limits.ts';
import { MemoryShare } from './memory-share.ts';
import { openMirrors, type Mirrors, type MirrorsOptions } from './mirror/mirror.ts';
import { mirrorRepository, parseMirrorRepository } from './mirror/path.ts';
import { newPullCredential, openPullTokens, type PullCredential, type PullState } from './pull-tokens.ts';
import { openQuotas, type Quota, type Usage } from './quota.ts';
import type { RegistryTables } from './tables.ts';
import { RateLimit } from './rate-limit.ts';
import { createTokenEndpoint } from './token-endpoint.ts';
import { createUploads } from './uploads.ts';

/** For what a push token is minted: a run, or an import that was approved. */
export type PushHolder = { readonly run: number } | { readonly import: number };

/** What was minted, for the ledger: never the key itself. */
export type Grant =
  | ({
      readonly kind: 'push';
      /** The one repository that the token pushes to. */
      readonly repository: string;
      readonly pullFrom: readonly string[];
      readonly expiresAt: string;
    } & PushHolder)
  | { readonly kind: 'read'; readonly run: number; readonly repository: string; readonly expiresAt: string }
  | {
      readonly kind: 'pull';
      readonly environment: string;
      readonly username: string;
      readonly repositories: readonly string[];
      readonly expiresAt: string;
    }
  | TokenGrant;

/** Disposing it takes the token back. */
export type MintedToken = Disposable & { readonly token: Secret; readonly expiresAt: string };

export type Registry = AsyncDisposable & {
  /** Answers a request for `/v2/…` or `/registry/token`. Never rejects. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /**
   * A key for pull and push on one repository, for minutes. `pullFrom` names further repositories that it may pull and mount from.
   * Never reachable over HTTP. The ledger hears of it before the caller does.
   */
  mintPush(options: { repository: string; ttlMs: number; pullFrom?: readonly string[] } & PushHolder): Promise<MintedToken>;
  /** A key that reads one repository and does nothing else, for what a run does with its own image. Otherwise as `mintPush`. */
  mintRead(options: { repository: string; run: number; ttlMs: number }): Promise<MintedToken>;
  /** A new generation of an environment's pull secret; older ones stay valid until they expire or are revoked. */
  mintPull(options: {
    environment: string;
    repositories: readonly string[];
    ttlMs: number;
    /** To a person, who wires it in: `pullState` and so the generations of the environment itself do not know it. */
    handedOut?: boolean;
  }): Promise<PullCredential>;
  /** What the valid generations of an environment's pull secret cover together. */
  pullState(environment: string): Promise<PullState | undefined>;
  /** Takes back all generations, and every bearer token made from them. Returns how many were valid. */
  revokePull(environment: string): Promise<number>;
  /** Removes what nothing needs; see collect.ts. One at a time. @throws WaybillError CONFLICT */
  collect(options: CollectOptions): Promise<Collected>;
  /** Looks for damage; see check.ts. */
  check(options: CheckOptions): Promise<CheckReport>;
  usage(): Promise<Usage>;
  /** The pull-through cache; undefined for a registry alone. */
  readonly mirrors: Mirrors | undefined;
  /** A key for the server's own way through a mirror, for minutes: it pulls below `mirror/NAME/` and nothing else. */
  mintMirrorPull(options: { mirror: string; holder: string; ttlMs: number }): Promise<Disposable & { readonly token: Secret }>;
  /** What a tag or a digest names in a repository now; undefined when it is not there. */
  find(repository: string, tagOrDigest: string): Promise<ContentDigest | undefined>;
  /** Everything with a tag, papers left out. */
  images: Catalog['images'];
  /** Takes back the bearer tokens that were made from a person's own token (which lives elsewhere). */
  revokePerson(person: string): void;
};

export type RegistryOptions = {
  readonly store: Store;
  /** Holds `blobs/` and `uploads/`; one process at a time. */
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `host:port` as clients write it. */
  readonly service: string;
  /** Absolute URL of the token endpoint, as clients reach it. */
  readonly realm: string;
  readonly authenticate: Authenticate;
  readonly onGrant: (grant: Grant) => Promise<void>;
  readonly onRefusal?: (refusal: Refusal) => void;
  /** Everybody may do everything: for a registry on loopback alone (`waybill registry serve --open`). */
  readonly open?: boolean;
  readonly quota?: Quota;
  readonly mutableTags?: boolean;
  readonly deletion?: boolean;
  readonly limits?: Partial<RegistryLimits>;
  /** Clients are told apart by what the proxy in front says: only where nobody else reaches the server. */
  readonly behindProxy?: boolean;
  /** What is mirrored; its folder is not in a backup. */
  readonly mirror?: Pick<MirrorsOptions, 'folder' | 'externals' | 'anyAddress' | 'limits'>;
};

const maxPushMs = 6 * 60 * 60_000;
/** As long as the token of whoever was told that a blob is there, at most. */
const leaseMs = maxPushMs;

/** Opens the embedded registry (OCI distribution-spec 1.1). What a crash left half-written is removed, or goes on. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { store, clock, logger } = options;
  if (/["\\\r\n]/.test(options.realm + options.service)) throw new WaybillError('INVALID_INPUT', 'realm and service may hold no quotes');
  const limits = { ...defaultLimits, ...options.limits };
  const deletion = options.deletion ?? false;
  const bearers = new BearerTokens();
  const pulls = openPullTokens(store, clock);
  const blobs = await openBlobStore(options.folder);
  const catalog = openCatalog(store, clock, { mutableTags: options.mutableTags ?? false, deletion });
  const uploads = createUploads(blobs, limits, clock);
  await uploads.sweep();
  const db = store.as<RegistryTables>();
  const quotas = openQuotas(db, options.folder, options.quota ?? {});
  const leases = new Leases(leaseMs);
  const locks = new KeyedLock<string>();
  let collecting = false;
  const onRefusal = (refusal: Refusal) => {
    logger.warn(refusal, 'The registry refused a request');
    options.onRefusal?.(refusal);
  };
  const { authenticate, realm, service, behindProxy = false } = options;
  const addressOf = (request: IncomingMessage) => clientAddress(request, behindProxy);
  const authority = options.open
    ? openAuthority()
    : createAuthority({ bearers, pulls, authenticate, clock, realm, service, onRefusal, addressOf });
  const mirrors =
    options.mirror &&
    (await openMirrors({
      ...options.mirror,
      store,
      clock,
      logger,
      maxBlobBytes: limits.blobBytes,
      minimumFreeBytes: options.quota?.minimumFreeBytes ?? 0,
    }));
  const handle = createHandler({
    requests: options.open ? undefined : new RateLimit({ perSecond: limits.requestsPerSecond, burst: 20 * limits.requestsPerSecond }),
    parts: {
      blobs,
      catalog,
      authority,
      uploads,
      locks,
      leases,
      quotas,
      memory: new MemoryShare(),
      clock,
      limits,
      deletion,
      addressOf,
      logger,
      mirrors,
      service,
    },
    token: createTokenEndpoint({ authority, bearers, clock, onRefusal, addressOf, onGrant: openGrantLog(options.onGrant) }),
  });
  const sweeping = setInterval(
    () => void uploads.sweep().catch((error: unknown) => logger.error({ error: messageOf(error) }, 'Old uploads could not be removed')),
    60_000,
  );
  sweeping.unref();

  return {
    handle,
    async mintPush({ repository, ttlMs, pullFrom = [], ...holder }) {
      checkRepositories([repository, ...pullFrom]);
      if (parseMirrorRepository(repository)) throw new WaybillError('INVALID_INPUT', `${repository} is a mirror's: nobody pushes there`);
      checkTtl(ttlMs, maxPushMs);
      const now = clock.now().getTime();
      const expiresAt = new Date(now + ttlMs).toISOString();
      await options.onGrant({ kind: 'push', ...holder, repository, pullFrom, expiresAt });
      const pull = new Set([repository, ...pullFrom]);
      const access: Access = {
        kind: 'push',
        holder: 'run' in holder ? `run ${holder.run}` : `import ${holder.import}`,
        mayPull: pull,
        pull,
        push: repository,
        expiresAt: now + ttlMs,
      };
      const token = new Secret(bearers.issue(access, now));
      return { token, expiresAt, [Symbol.dispose]: () => bearers.revoke((one) => one === access) };
    },
    async mintRead({ repository, run, ttlMs }) {
      checkRepositories([repository]);
      checkTtl(ttlMs, maxPushMs);
      const now = clock.now().getTime();
      const expiresAt = new Date(now + ttlMs).toISOString();
      await options.onGrant({ kind: 'read', run, repository, expiresAt });
      const pull = new Set([repository]);
      const access: Access = { kind: 'pull', holder: `run ${run}`, mayPull: pull, pull, expiresAt: now + ttlMs };
      const token = new Secret(bearers.issue(access, now));
      return { token, expiresAt, [Symbol.dispose]: () => bearers.revoke((one) => one === access) };
    },
    async mintPull({ environment, repositories, ttlMs, handedOut = false }) {
      if (!isName(environment)) throw new WaybillError('INVALID_INPUT', `${JSON.stringify(environment)} is not a name of an environment`);
      checkRepositories(repositories);
      checkTtl(ttlMs, 400 * 24 * 60 * 60_000);
      const credential = newPullCredential(environment, new Date(clock.now().getTime() + ttlMs));
      const { username, expiresAt } = credential;
      await options.onGrant({ kind: 'pull', environment, username, repositories, expiresAt });
      await pulls.add(environment, repositories, credential, handedOut);
      return credential;
    },
    async mintMirrorPull({ mirror, holder, ttlMs }) {
      checkTtl(ttlMs, maxPushMs);
      const now = clock.now().getTime();
      const expiresAt = now + ttlMs;
      const below = mirrorRepository(mirror, '');
      await options.onGrant({ kind: 'token', holder, repositories: [`${below}*`], expiresAt: new Date(expiresAt).toISOString() });
      const none: ReadonlySet<string> = new Set();
      const access: Access = { kind: 'pull', holder, mayPull: none, pull: none, pullBelow: below, expiresAt };
      const token = new Secret(bearers.issue(access, now));
      return { token, [Symbol.dispose]: () => bearers.revoke((one) => one === access) };
    },
    pullState: (environment) => pulls.state(environment),
    async revokePull(environment) {
      const count = await pulls.revoke(environment);
      bearers.revoke((access) => access.kind === 'pull' && access.holder === `environment ${environment}`);
      return count;
    },
    async collect(asked) {
      if (collecting) throw new WaybillError('CONFLICT', 'the registry is being collected already', { fix: 'Wait until it is done.' });
      collecting = true;
      try {
        return await collectGarbage({ db, catalog, blobs, locks, leases, clock }, asked);
      } finally {
        collecting = false;
      }
    },
    check: (asked) => checkRegistry({ db, blobs }, asked),
    usage: () => quotas.usage(),
    mirrors,
    async find(repository, name) {
      const digest = isContentDigest(name) ? name : await catalog.tag(repository, name);
      return digest === undefined ? undefined : (await catalog.manifest(repository, digest))?.digest;
    },
    images: catalog.images,
    revokePerson: (person) => bearers.revoke((access) => access.kind === 'person' && access.holder === person),
    async [Symbol.asyncDispose]() {
      clearInterval(sweeping);
      bearers.revoke(() => true);
      await uploads[Symbol.asyncDispose]();
      await mirrors?.[Symbol.asyncDispose]();
    },
  };
}

function checkRepositories(names: readonly string[]): void {
  for (const name of names)
    if (!isRepositoryPath(name))
      throw new WaybillError('INVALID_INPUT', `${JSON.stringify(name.slice(0, 300))} is not a name of a repository`);
}

function checkTtl(ttlMs: number, max: number): void {
  if (!Number.isSafeInteger(ttlMs) || ttlMs <= 0 || ttlMs > max)
    throw new WaybillError('INVALID_INPUT', `A token lives between 1 and ${max} ms, not ${ttlMs}`);
}
