import type { z } from 'zod';
import { WaybillError } from '../../kernel/error.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Secret } from '../../kernel/secret.ts';
import { connectRegistry } from '../../oci/client.ts';
import type { ClientSession } from '../../oci/client-session.ts';
import type { RegistryClient, RegistryClientOptions } from '../../oci/client-types.ts';
import { openSession } from '../../oci/open-session.ts';
import type { Secrets } from '../../secrets/secrets.ts';
import type { Store } from '../../store/store.ts';
import { parseCredential, type Credential } from './credential.ts';
import { defaultAddress } from './default-address.ts';
import { createEcrRepository } from './ecr.ts';
import { ecrRepositories, type EcrRepository } from './ecr-pushers.ts';
import { loginTo } from './login.ts';
import { canonicalServer, externalRecord, type ExternalRegistry, type ExternalUse, type NewExternalRegistry } from './record.ts';
import { withoutCredential, type Purpose } from './without-credential.ts';
import { vendorEndpoints, type Exchange, type Login, type VendorEndpoints } from './vendor-call.ts';

export type ExternalPullCredential = {
  /** As it stands in references to images. */
  readonly server: string;
  readonly username: string;
  readonly password: Secret;
  /** ISO 8601; missing when it holds until somebody changes it. */
  readonly expiresAt?: string;
};

/**
 * Registries that the company has. Credentials are sealed and never handed out: callers get a client that is logged in. The one exception is
 * the pull credential, which has to leave for a cluster, and which is another one than that which pushes.
 */
export type ExternalRegistries = {
  /**
   * @param credential undefined for a record that says `anonymous`
   * @throws WaybillError INVALID_INPUT that names fields, CONFLICT when the name is taken, or the server has a mirror already
   */
  add(record: NewExternalRegistry, credential: Secret | undefined, pullCredential?: Secret): Promise<ExternalRegistry>;
  /**
   * Other credentials from now on; one that is not given stays. Whoever is logged in with the one before goes on until that login ends.
   * @throws WaybillError NOT_FOUND, INVALID_INPUT that names fields, or for a record that says `anonymous`
   */
  renew(name: string, credentials: { readonly push?: Secret; readonly pull?: Secret }): Promise<ExternalRegistry>;
  list(): Promise<ExternalRegistry[]>;
  /** Changes how it is mirrored; what is not named stays. @throws WaybillError NOT_FOUND, INVALID_INPUT when it is no mirror */
  tuneMirror(name: string, change: { readonly tagSeconds?: number; readonly quotaBytes?: number }): Promise<ExternalRegistry>;
  get(name: string): Promise<ExternalRegistry | undefined>;
  /** Forgets the record and its credentials. True when there was one. */
  remove(name: string): Promise<boolean>;
  /**
   * A client with the credential of the record of this name, or else of the first one for this host with this use. Anonymous for a host that
   * nobody added. Logs in at its first call; dispose it.
   * @param options.as `pull`: with the credential that clusters get; `nobody`: with none @throws WaybillError NOT_FOUND when there is none
   */
  connect(
    nameOrHost: string,
    options: { signal?: AbortSignal; use?: ExternalUse; as?: 'push' | 'pull' | 'nobody' },
  ): Promise<RegistryClient>;
  /**
   * Logged in like `connect`, below the client: for what the mirror asks. Redirects and token services are reached at public addresses alone, except
   * the record's own hosts and `anyAddress`.
   */
  session(
    record: ExternalRegistry,
    options: { anyAddress: readonly string[]; limits: RegistryClientOptions['limits'] },
  ): ClientSession & Disposable;
  /** Exchanges the credential now, past the cache: whether the login works at all. @throws WaybillError UNAUTHENTICATED, REGISTRY_FAILED */
  login(name: string, signal?: AbortSignal): Promise<{ readonly expiresAt?: string }>;
  /**
   * With what a cluster pulls. @param options.fresh exchanges it now: one that goes to a cluster has its whole life before it
   * @throws WaybillError NOT_FOUND when there is none that only pulls, UNAUTHENTICATED, REGISTRY_FAILED
   */
  pullCredential(name: string, options?: { readonly fresh?: boolean }): Promise<ExternalPullCredential>;
  /** What the vendor's API tells of who may push; undefined where this version asks none. */
  pushers(name: string, signal?: AbortSignal): Promise<readonly EcrRepository[] | undefined>;
  /** Makes the repository where the registry asks for that and the record allows it. */
  prepareRepository(name: string, repository: string, signal?: AbortSignal): Promise<void>;
};

export type ExternalRegistriesOptions = {
  readonly store: Store;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly endpoints?: VendorEndpoints;
  /** Where a server is reached; tests put their own there. */
  readonly address?: (server: string) => { readonly host: string; readonly plainHttp: boolean };
};

export type ExternalRegistryTable = { name: string; server: string; record: string; created_at: string; credentials_at: string | null };
type Tables = { external_registry: ExternalRegistryTable };
type Cached = { readonly login: Promise<Login>; until: number };

/** A token is renewed so long before it ends: a large image may be on its way. */
const marginMs = 10 * 60_000;
/** Hosts that give the tokens of a registry elsewhere. */
const knownTokenHosts: Readonly<Record<string, readonly string[]>> = {
  'docker.io': ['auth.docker.io'],
  'registry.gitlab.com': ['gitlab.com'],
};

export function openExternalRegistries(options: ExternalRegistriesOptions): ExternalRegistries {
  const { secrets, clock, endpoints = vendorEndpoints, address = defaultAddress } = options;
  const db = options.store.as<Tables>();
  const logins = new Map<string, Cached>();

  const list = async () => (await db.selectFrom('external_registry').selectAll().orderBy('name').execute()).map(parseRow);
  const get = async (name: string) => {
    const row = await db.selectFrom('external_registry').selectAll().where('name', '=', name).executeTakeFirst();
    return row && parseRow(row);
  };
  const demand = async (name: string) => {
    const record = await get(name);
    if (!record)
      throw new WaybillError('NOT_FOUND', `there is no external registry ${name}`, {
        fix: 'An administrator adds it: waybill registry add NAME --server HOST --kind KIND; `waybill registry list` shows what there is.',
      });
    return record;
  };

  async function credentialOf(record: ExternalRegistry, purpose: Purpose): Promise<Credential | undefined> {
    const sealed = await secrets.get(sealedName(record.name, purpose));
    return sealed && parseCredential(record.kind, sealed);
  }

  function exchangeFor(record: ExternalRegistry, signal: AbortSignal | undefined): Exchange {
    const { host, plainHttp } = address(record.server);
    return {
      now: clock.now(),
      signal,
      endpoints,
      registry: new URL(`${plainHttp ? 'http' : 'https'}://${host}/`),
      ...(record.ca === undefined ? {} : { ca: record.ca }),
    };
  }

  /** Everybody who needs a login at the same time waits for one exchange. It outlives whoever asked first, and has a deadline of its own. */
  function loginFor(record: ExternalRegistry, purpose: Purpose, fresh: boolean): Promise<Login> {
    const key = JSON.stringify([record.name, record.credentialsAt, purpose]);
    const cached = logins.get(key);
    if (cached && !fresh && cached.until > clock.now().getTime()) return cached.login;
    const login = (async () => {
      const credential = await credentialOf(record, purpose);
      if (!credential) throw withoutCredential(record, purpose);
      return loginTo(record.server, credential, exchangeFor(record, undefined));
    })();
    const entry: Cached = { login, until: Number.POSITIVE_INFINITY };
    logins.set(key, entry);
    void settle(key, entry);
    return login;
  }

  async function settle(key: string, entry: Cached): Promise<void> {
    try {
      const { expiresAt } = await entry.login;
      const now = clock.now().getTime();
      // A short-lived token serves half its time.
      const left = expiresAt === undefined ? 2 * marginMs : expiresAt.getTime() - now;
      entry.until = now + Math.max(left - marginMs, left / 2);
    } catch {
      // Told to everybody who waits for it; the next one who asks tries again.
      if (logins.get(key) === entry) logins.delete(key);
    }
  }

  function clientOptions(record: ExternalRegistry, as: Purpose): RegistryClientOptions {
    const { host, plainHttp } = address(record.server);
    return {
      registry: host,
      plainHttp,
      tokenHosts: record.tokenHost === undefined ? (knownTokenHosts[record.server] ?? []) : [record.tokenHost],
      ...(record.anonymous ? {} : { auth: async (refused: boolean) => (await loginFor(record, as, refused)).auth }),
      ...(record.ca === undefined ? {} : { ca: record.ca }),
    };
  }

  return {
    async add(input, credential, pullCredential) {
      const record = parseRecord(input);
      // Read before they are sealed: a mistake is told to whoever makes it, not to a run.
      for (const each of [credential, pullCredential]) if (each) parseCredential(record.kind, each);
      if (record.anonymous !== (credential === undefined))
        throw new WaybillError(
          'INVALID_INPUT',
          record.anonymous ? 'what is anonymous has no credential' : 'credential: is missing, and the record does not say anonymous',
        );
      const other = record.uses.includes('mirror') && (await list()).find((each) => mirrors(each, record.server));
      if (other)
        throw new WaybillError('CONFLICT', `${record.server} has a mirror already: ${other.name}`, {
          fix: `Remove it first: waybill registry remove ${other.name}.`,
        });
      const taken = () =>
        new WaybillError('CONFLICT', `the external registry ${record.name} exists already`, {
          fix: 'Remove it first, or choose another name.',
        });
      if (await get(record.name)) throw taken();
      const created_at = clock.now().toISOString();
      const row = { name: record.name, server: record.server, record: JSON.stringify(record), created_at, credentials_at: null };
      const result = await db
        .insertInto('external_registry')
        .values(row)
        .onConflict((conflict) => conflict.column('name').doNothing())
        .executeTakeFirst();
      if (result.numInsertedOrUpdatedRows === 0n) throw taken();
      // After the row: whoever loses the race for a name overwrites nobody's credential.
      if (credential) await secrets.put(sealedName(record.name, 'push'), credential);
      else await secrets.remove(sealedName(record.name, 'push'));
      if (pullCredential) await secrets.put(sealedName(record.name, 'pull'), pullCredential);
      else await secrets.remove(sealedName(record.name, 'pull'));
      return parseRow(row);
    },
    async renew(name, credentials) {
      const record = await demand(name);
      if (record.anonymous && credentials.push) throw new WaybillError('INVALID_INPUT', 'what is anonymous has no credential');
      for (const each of [credentials.push, credentials.pull]) if (each) parseCredential(record.kind, each);
      for (const purpose of ['push', 'pull'] as const) {
        const given = credentials[purpose];
        if (given) await secrets.put(sealedName(name, purpose), given);
      }
      // After them: whoever sees the new time gets the new ones.
      const credentials_at = clock.now().toISOString();
      await db.updateTable('external_registry').set({ credentials_at }).where('name', '=', name).execute();
      return demand(name);
    },
    list,
    get,
    async tuneMirror(name, change) {
      const { createdAt, credentialsAt, ...record } = await demand(name);
      const parsed = parseRecord({ ...record, mirror: { ...record.mirror, ...change } });
      await db
        .updateTable('external_registry')
        .set({ record: JSON.stringify(parsed) })
        .where('name', '=', name)
        .where('created_at', '=', createdAt)
        .execute();
      return { ...parsed, createdAt, credentialsAt };
    },
    async remove(name) {
      const result = await db.deleteFrom('external_registry').where('name', '=', name).executeTakeFirst();
      for (const purpose of ['push', 'pull'] as const) await secrets.remove(sealedName(name, purpose));
      return result.numDeletedRows > 0n;
    },
    async connect(nameOrHost, { use, as = 'push' }) {
      const server = canonicalServer(nameOrHost);
      const record =
        (await get(nameOrHost)) ?? (await list()).find((each) => each.server === server && (use === undefined || each.uses.includes(use)));
      const { host, plainHttp } = address(record?.server ?? server);
      if (!record || as === 'nobody') {
        const ca = record?.ca;
        return connectRegistry({ registry: host, plainHttp, ...(ca === undefined ? {} : { ca }) });
      }
      if (record.anonymous && as === 'push') return connectRegistry(clientOptions(record, as));
      if (!(await secrets.get(sealedName(record.name, as)))) throw withoutCredential(record, as);
      return connectRegistry(clientOptions(record, as));
    },
    session(record, { anyAddress, limits }) {
      const base = clientOptions(record, 'push');
      return openSession({
        ...base,
        anyAddress: [base.registry, ...(base.tokenHosts ?? []), ...anyAddress],
        ...(limits === undefined ? {} : { limits }),
      });
    },
    async login(name) {
      const record = await demand(name);
      if (record.anonymous) return {};
      const { expiresAt } = await loginFor(record, 'push', true);
      return expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() };
    },
    async pullCredential(name, { fresh = false } = {}) {
      const record = await demand(name);
      const { username, password, expiresAt } = await loginFor(record, 'pull', fresh);
      return { server: record.server, username, password, ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }) };
    },
    async pushers(name, signal) {
      const record = await demand(name);
      const credential = await credentialOf(record, 'push');
      return credential?.kind === 'ecr'
        ? ecrRepositories(record.server, credential, exchangeFor(record, signal), record.prefix)
        : undefined;
    },
    async prepareRepository(name, repository, signal) {
      const record = await demand(name);
      if (!record.createRepositories) return;
      const credential = await credentialOf(record, 'push');
      if (credential?.kind === 'ecr') await createEcrRepository(record.server, credential, exchangeFor(record, signal), repository);
    },
  };
}

/** Whether this record is the mirror of the server. */
export function mirrors(record: ExternalRegistry, server: string): boolean {
  return record.server === server && record.uses.includes('mirror');
}

function sealedName(name: string, purpose: Purpose): string {
  return `registry/${name}/${purpose}`;
}

function parseRecord(input: NewExternalRegistry): z.output<typeof externalRecord> {
  const parsed = externalRecord.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new WaybillError(
    'INVALID_INPUT',
    parsed.error.issues.map((issue) => `${issue.path.join('.') || 'registry'}: ${issue.message}`).join('; '),
  );
}

function parseRow(row: ExternalRegistryTable): ExternalRegistry {
  const parsed = externalRecord.safeParse(JSON.parse(row.record));
  if (!parsed.success) throw new WaybillError('STORE_FAILED', `the record of the external registry ${row.name} cannot be read`);
  return { ...parsed.data, createdAt: row.created_at, credentialsAt: row.credentials_at ?? row.created_at };
}
