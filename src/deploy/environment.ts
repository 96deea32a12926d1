import { WaybillError } from '../kernel/error.ts';
import type { Clock } from '../kernel/clock.ts';
import { isName } from '../kernel/ids.ts';
import type { Secret } from '../kernel/secret.ts';
import type { Secrets } from '../secrets/secrets.ts';
import type { Store } from '../store/store.ts';

/** A place where releases run: a namespace of a cluster, or this host. */
export type Environment = {
  readonly name: string;
  readonly kind: 'cluster' | 'local';
  readonly namespace: string;
  /** An evidence policy as JSON, judged by its owner; undefined means the default policy. */
  readonly policy?: unknown;
  readonly pullSecretOn: PullSecretOn;
  /** The external registry whose copies are deployed; undefined means our own registry. */
  readonly registry?: string;
  readonly createdAt: string;
};

/** What names the pull secret in a cluster: every pod template, or the ServiceAccounts that the pods run as. */
export const pullSecretPlaces = ['pods', 'service-accounts'] as const;
export type PullSecretOn = (typeof pullSecretPlaces)[number];

export type NewEnvironment = {
  readonly name: string;
  /** Default: the name. */
  readonly namespace?: string;
  readonly policy?: unknown;
  /** Default: pods. */
  readonly pullSecretOn?: PullSecretOn;
  readonly registry?: string;
} & ({ readonly kind: 'local' } | { readonly kind: 'cluster'; readonly kubeconfig: Secret });

export type EnvironmentChange = { readonly pullSecretOn?: PullSecretOn; readonly registry?: string | null };

/** Administrators define environments; the kubeconfig goes straight into the sealed secrets. */
export type Environments = {
  /** @throws WaybillError CONFLICT when the name is taken */
  add(environment: NewEnvironment): Promise<Environment>;
  list(): Promise<Environment[]>;
  get(name: string): Promise<Environment | undefined>;
  /** Holds from the next release on. `registry: null` is our own again. @throws WaybillError NOT_FOUND */
  change(name: string, change: EnvironmentChange): Promise<Environment>;
  /** The sealed kubeconfig of a cluster environment. @throws WaybillError NOT_FOUND, SECRET_UNREADABLE */
  kubeconfig(name: string): Promise<Secret>;
  /** Forgets the environment and its key; what runs there keeps running. True when there was one. */
  remove(name: string): Promise<boolean>;
};

type Row = {
  name: string;
  kind: string;
  namespace: string;
  policy: string | null;
  created_at: string;
  pull_secret_on: string;
  registry: string | null;
};
type Tables = { environment: Row };

const namespacePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const protectedNamespaces = new Set(['kube-system', 'kube-public', 'kube-node-lease']);

export function openEnvironments(store: Store, secrets: Secrets, clock: Clock): Environments {
  const db = store.as<Tables>();
  const read = async (name: string) => {
    const row = await db.selectFrom('environment').selectAll().where('name', '=', name).executeTakeFirst();
    return row && parseRow(row);
  };
  return {
    async add(environment) {
      const { name } = environment;
      if (!isName(name)) throw new WaybillError('INVALID_INPUT', `${JSON.stringify(name.slice(0, 100))} is no name for an environment`);
      const namespace = environment.namespace ?? name;
      if (!namespacePattern.test(namespace) || protectedNamespaces.has(namespace))
        throw new WaybillError('INVALID_INPUT', `${JSON.stringify(namespace.slice(0, 100))} is no namespace for an environment`, {
          fix: 'Lower-case letters, digits and -, at most 63, and none of the namespaces of Kubernetes itself.',
        });
      if ((await read(name)) !== undefined) throw taken(name);
      const policy = environment.policy === undefined ? null : JSON.stringify(environment.policy);
      const row = {
        name,
        kind: environment.kind,
        namespace,
        policy,
        created_at: clock.now().toISOString(),
        pull_secret_on: environment.pullSecretOn ?? 'pods',
        registry: environment.registry ?? null,
      };
      if (environment.kind === 'cluster') await secrets.put(keyName(name), environment.kubeconfig);
      const result = await db
        .insertInto('environment')
        .values(row)
        .onConflict((conflict) => conflict.column('name').doNothing())
        .executeTakeFirst();
      if (result.numInsertedOrUpdatedRows === 0n) throw taken(name);
      return parseRow(row);
    },
    async list() {
      return (await db.selectFrom('environment').selectAll().orderBy('name').execute()).map(parseRow);
    },
    get: read,
    async change(name, { pullSecretOn, registry }) {
      const set = {
        ...(pullSecretOn === undefined ? {} : { pull_secret_on: pullSecretOn }),
        ...(registry === undefined ? {} : { registry }),
      };
      if (Object.keys(set).length > 0) await db.updateTable('environment').set(set).where('name', '=', name).execute();
      const changed = await read(name);
      if (!changed) throw new WaybillError('NOT_FOUND', `there is no environment ${name}`);
      return changed;
    },
    async kubeconfig(name) {
      const kubeconfig = await secrets.get(keyName(name));
      if (kubeconfig === undefined) throw new WaybillError('NOT_FOUND', `the environment ${name} has no kubeconfig`);
      return kubeconfig;
    },
    async remove(name) {
      const result = await db.deleteFrom('environment').where('name', '=', name).executeTakeFirst();
      await secrets.remove(keyName(name));
      return result.numDeletedRows > 0n;
    },
  };
}

function keyName(environment: string): string {
  return `environment/${environment}/kubeconfig`;
}

function taken(name: string): WaybillError {
  return new WaybillError('CONFLICT', `the environment ${name} exists already`, { fix: 'Remove it first, or choose another name.' });
}

function parseRow(row: Row): Environment {
  if (row.kind !== 'cluster' && row.kind !== 'local')
    throw new WaybillError('STORE_FAILED', `the environment ${row.name} has the unknown kind ${row.kind}`);
  const pullSecretOn = pullSecretPlaces.find((place) => place === row.pull_secret_on);
  if (!pullSecretOn)
    throw new WaybillError('STORE_FAILED', `the environment ${row.name} has its pull secret on the unknown ${row.pull_secret_on}`);
  return {
    name: row.name,
    kind: row.kind,
    namespace: row.namespace,
    ...(row.policy !== null && { policy: JSON.parse(row.policy) as unknown }),
    pullSecretOn,
    ...(row.registry !== null && { registry: row.registry }),
    createdAt: row.created_at,
  };
}
