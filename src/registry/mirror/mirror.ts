import { statfs } from 'node:fs/promises';
import type { Clock } from '../../kernel/clock.ts';
import { KeyedLock } from '../../kernel/keyed-lock.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { ContentDigest } from '../../oci/content-digest.ts';
import type { Store } from '../../store/store.ts';
import { openBlobStore } from '../blob-store.ts';
import type { StoredManifest } from '../catalog.ts';
import { mirrors as isMirrorOf, type ExternalRegistries } from '../external/external-registries.ts';
import type { ExternalRegistry } from '../external/record.ts';
import type { ManifestReference } from '../route.ts';
import { checkMirrors, type MirrorCheck } from './check.ts';
import { openFetches, type FoundBlob } from './fetches.ts';
import { mirrorOf, type Mirror } from './mirrored.ts';
import { found, type Outcome } from './outcome.ts';
import { Readers } from './readers.ts';
import { openRoom, type Evicted } from './room.ts';
import { openShelf, type CachedImage } from './shelf.ts';
import type { MirrorTables } from './tables.ts';
import { openUpstream, type Upstream, type UpstreamLimits } from './upstream.ts';

export type { Mirror };

/** `stale`: the tag could not be checked, and is what it was at `checkedAt`. */
export type FoundManifest = {
  readonly manifest: StoredManifest;
  readonly how: 'hit' | 'revalidated' | 'fetched' | 'stale';
  /** For how much longer a tag is taken for what it is, in seconds; negative when that is over. */
  readonly ttl?: number;
  readonly checkedAt?: string;
  readonly why?: string;
};

export type MirrorState = Mirror & {
  readonly blobs: number;
  readonly manifests: number;
  readonly bytes: number;
  /** Undefined: it was not asked since the server started. */
  readonly answers?: boolean;
  readonly why?: string;
};

/** The pull-through cache: what other registries have, kept here. */
export type Mirrors = AsyncDisposable & {
  find(place: { readonly name: string } | { readonly server: string }): Promise<Mirror | undefined>;
  /** A digest once and for ever; a tag as it was within its time, or as the server says now, or as it was when that does not answer. */
  manifest(mirror: Mirror, repository: string, reference: ManifestReference): Promise<Outcome<FoundManifest>>;
  /** Dispose what was found. */
  blob(mirror: Mirror, repository: string, digest: ContentDigest): Promise<Outcome<FoundBlob>>;
  blobSize(mirror: Mirror, repository: string, digest: ContentDigest): Promise<Outcome<number | undefined>>;
  /** From the server; what is cached when it does not answer. */
  tags(
    mirror: Mirror,
    repository: string,
    query: URLSearchParams,
  ): Promise<Outcome<{ tags: readonly string[]; more: boolean; stale: boolean }>>;
  /** From the server alone: who asks for signatures wants those that there are. */
  referrers(mirror: Mirror, repository: string, digest: ContentDigest, query: URLSearchParams): Promise<Outcome<Buffer>>;
  list(): Promise<MirrorState[]>;
  contents(mirror: Mirror, limit: number): Promise<readonly CachedImage[]>;
  /** Throws away what is cached of a server. */
  clear(server: string): Promise<Evicted>;
  /** Looks for damage; see check.ts. */
  check(options: { readonly deep: boolean; readonly signal: AbortSignal }): Promise<MirrorCheck>;
  /** Keeps quotas, and throws away what belongs to no mirror any more. */
  collect(signal: AbortSignal): Promise<Evicted>;
};

export type MirrorsOptions = {
  readonly store: Store;
  /** Holds `blobs/` and `uploads/`; not in a backup. */
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly externals: Pick<ExternalRegistries, 'get' | 'list' | 'session'>;
  /** Hosts at private addresses that upstreams may redirect to. */
  readonly anyAddress: readonly string[];
  readonly maxBlobBytes: number;
  readonly minimumFreeBytes: number;
  readonly limits?: Partial<UpstreamLimits>;
};

const defaultLimits: UpstreamLimits = { callMs: 10_000, idleMs: 30_000, blobMs: 3_600_000 };

const stampOf = ({ createdAt, credentialsAt }: { readonly createdAt: string; readonly credentialsAt: string }): string =>
  `${createdAt} ${credentialsAt}`;
type Connection = {
  readonly upstream: Upstream;
  /** Of the record: another login is another connection. */ readonly stamp: string;
  answers?: boolean;
  why?: string;
};

export async function openMirrors(options: MirrorsOptions): Promise<Mirrors> {
  const { clock, logger, externals, folder } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const blobs = await openBlobStore(folder);
  const shelf = openShelf(options.store.as<MirrorTables>(), clock);
  const locks = new KeyedLock<string>();
  const readers = new Readers();
  const room = openRoom({
    shelf,
    blobs,
    locks,
    isRead: (digest) => readers.has(digest),
    minimumFreeBytes: options.minimumFreeBytes,
    async freeBytes() {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
  });
  const fetches = openFetches({ shelf, blobs, locks, readers, room, maxBytes: options.maxBlobBytes, logger });
  const connections = new Map<string, Connection>();
  const now = () => clock.now().getTime();

  /** Everybody who wants the same thing at the same time waits for one answer. */
  const asking = new Map<string, Promise<Outcome<FoundManifest>>>();
  function once(key: string, ask: () => Promise<Outcome<FoundManifest>>): Promise<Outcome<FoundManifest>> {
    const present = asking.get(key);
    if (present) return present;
    const promise = ask().finally(() => asking.delete(key));
    asking.set(key, promise);
    return promise;
  }

  function connect(record: ExternalRegistry): Connection {
    const present = connections.get(record.name);
    if (present?.stamp === stampOf(record)) return present;
    present?.upstream[Symbol.dispose]();
    const session = (sockets: number) =>
      externals.session(record, { anyAddress: options.anyAddress, limits: { callMs: limits.callMs, idleMs: limits.idleMs, sockets } });
    const connection: Connection = {
      stamp: stampOf(record),
      upstream: openUpstream({
        calls: session(16),
        blobs: session(16),
        limits,
        now,
        onChange({ answers, why }) {
          const before = connection.answers;
          connection.answers = answers;
          connection.why = why;
          const told = { mirror: record.name, server: record.server, why };
          if (answers && before === undefined) return;
          if (answers) logger.info(told, 'A mirrored registry answers again');
          else logger.warn(told, 'A mirrored registry does not answer; what is cached is served');
        },
      }),
    };
    connections.set(record.name, connection);
    return connection;
  }

  const records = async () => (await externals.list()).filter((each) => each.uses.includes('mirror'));

  /** Looked up each time: what an administrator has removed is asked and served no more. */
  async function upstreamOf(mirror: Mirror): Promise<Outcome<Upstream>> {
    const record = await externals.get(mirror.name);
    return record && isMirrorOf(record, mirror.server) ? found(connect(record).upstream) : { kind: 'missing' };
  }

  async function byDigest(mirror: Mirror, upstream: Upstream, repository: string, digest: ContentDigest): Promise<Outcome<FoundManifest>> {
    const got = await upstream.manifest(repository, { digest });
    if (got.kind !== 'found') return got;
    await shelf.putManifest(mirror.server, repository, got.value);
    return found({ manifest: got.value, how: 'fetched' });
  }

  async function byTag(
    mirror: Mirror,
    upstream: Upstream,
    repository: string,
    tag: string,
    held: { readonly manifest: StoredManifest; readonly checkedAt: string } | undefined,
  ): Promise<Outcome<FoundManifest>> {
    const { server, tagMs } = mirror;
    const ttl = Math.floor(tagMs / 1000);
    const stale = (why: string, { manifest, checkedAt }: NonNullable<typeof held>): Outcome<FoundManifest> => {
      logger.warn(
        { mirror: mirror.name, repository, tag, digest: manifest.digest, checkedAt, why },
        'A tag is served that could not be checked',
      );
      return found({ manifest, how: 'stale', checkedAt, why, ttl: Math.floor((Date.parse(checkedAt) + tagMs - now()) / 1000) });
    };
    if (held) {
      const said = await upstream.digestOf(repository, tag);
      if (said.kind === 'down') return stale(said.why, held);
      if (said.kind === 'missing') await shelf.dropTag(server, repository, tag);
      if (said.kind !== 'found') return said;
      if (said.value === held.manifest.digest) {
        await shelf.setTag(server, repository, tag, said.value);
        return found({ manifest: held.manifest, how: 'revalidated', ttl });
      }
    }
    const got = await upstream.manifest(repository, { tag });
    if (got.kind === 'down' && held) return stale(got.why, held);
    if (got.kind === 'missing') await shelf.dropTag(server, repository, tag);
    if (got.kind !== 'found') return got;
    await shelf.putManifest(server, repository, got.value, tag);
    return found({ manifest: got.value, how: 'fetched', ttl });
  }

  return {
    async find(place) {
      const record = 'name' in place ? await externals.get(place.name) : (await records()).find((each) => isMirrorOf(each, place.server));
      return record?.uses.includes('mirror') ? mirrorOf(record) : undefined;
    },
    async manifest(mirror, repository, reference) {
      const upstream = await upstreamOf(mirror);
      if (upstream.kind !== 'found') return upstream;
      const { server } = mirror;
      if ('digest' in reference) {
        const manifest = await shelf.manifest(server, repository, reference.digest);
        if (manifest) return found({ manifest, how: 'hit' });
        return await once(`${server} ${repository}@${reference.digest}`, () =>
          byDigest(mirror, upstream.value, repository, reference.digest),
        );
      }
      const { tag } = reference;
      const known = await shelf.tag(server, repository, tag);
      const manifest = known && (await shelf.manifest(server, repository, known.digest));
      const held = known && manifest && { manifest, checkedAt: known.checkedAt };
      const age = held && now() - Date.parse(held.checkedAt);
      // A clock that was set back makes nothing fresh for longer than it should be.
      if (held && age !== undefined && age >= 0 && age < mirror.tagMs)
        return found({ manifest: held.manifest, how: 'hit', ttl: Math.floor((mirror.tagMs - age) / 1000) });
      return await once(`${server} ${repository}:${tag}`, () => byTag(mirror, upstream.value, repository, tag, held));
    },
    async blob(mirror, repository, digest) {
      const upstream = await upstreamOf(mirror);
      return upstream.kind === 'found' ? await fetches.open(mirror, upstream.value, repository, digest) : upstream;
    },
    async blobSize(mirror, repository, digest) {
      const upstream = await upstreamOf(mirror);
      if (upstream.kind !== 'found') return upstream;
      const size = await shelf.blob(mirror.server, digest);
      return size === undefined ? await upstream.value.blobSize(repository, digest) : found(size);
    },
    async tags(mirror, repository, query) {
      const upstream = await upstreamOf(mirror);
      if (upstream.kind !== 'found') return upstream;
      const got = await upstream.value.tags(repository, query);
      if (got.kind === 'found') return found({ ...got.value, stale: false });
      if (got.kind !== 'down') return got;
      const tags = await shelf.tags(mirror.server, repository);
      return tags.length === 0 ? got : found({ tags, more: false, stale: true });
    },
    async referrers(mirror, repository, digest, query) {
      const upstream = await upstreamOf(mirror);
      return upstream.kind === 'found' ? await upstream.value.referrers(repository, digest, query) : upstream;
    },
    async list() {
      const held = new Map((await shelf.servers()).map((each) => [each.server, each]));
      return (await records()).map((record): MirrorState => {
        const { blobs: count = 0, manifests = 0, bytes = 0 } = held.get(record.server) ?? {};
        const connection = connections.get(record.name);
        const { answers, why } = connection?.stamp === stampOf(record) ? connection : {};
        return {
          ...mirrorOf(record),
          blobs: count,
          manifests,
          bytes,
          ...(answers === undefined ? {} : { answers }),
          ...(why === undefined ? {} : { why }),
        };
      });
    },
    contents: (mirror, limit) => shelf.contents(mirror.server, limit),
    clear: (server) => room.clear(server),
    check: (asked) => checkMirrors({ shelf, blobs, locks }, asked),
    async collect(signal) {
      const total = { items: 0, bytes: 0 };
      const add = ({ items, bytes }: Evicted) => {
        total.items += items;
        total.bytes += bytes;
      };
      const present = (await records()).map(mirrorOf);
      for (const { server } of await shelf.servers()) {
        signal.throwIfAborted();
        const mirror = present.find((each) => each.server === server);
        add(mirror ? await room.make(server, mirror.quotaBytes, 0) : await room.clear(server));
      }
      add(await room.strays(now(), signal));
      return total;
    },
    async [Symbol.asyncDispose]() {
      for (const { upstream } of connections.values()) upstream[Symbol.dispose]();
      await fetches[Symbol.asyncDispose]();
    },
  };
}
