import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import type { Cluster, Options } from '../../kube/cluster.ts';
import { podSpecOf } from '../../kube/kinds.ts';
import { objectsAt, textAt, textsAt, type KubeObject, type KubeType } from '../../kube/object.ts';
import { managedBy, managedByLabel } from '../manifests/stamp.ts';
import type { CallOptions } from '../port.ts';
import { pullSecretName } from '../pull-secret.ts';

/** On a ServiceAccount whose list of pull secrets has Waybill's because Waybill put it there: what it may take away again. */
export const wiredAnnotation = 'waybill.dev/pull-secret';
/** The entries of that list that came from the manifests of the release before; every other one is somebody else's, and stays. */
const declaredAnnotation = 'waybill.dev/image-pull-secrets';

const accountType: KubeType = { apiVersion: 'v1', kind: 'ServiceAccount' };
/** What has pods, as it is found in a cluster. */
const workloadTypes: readonly KubeType[] = [
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  { apiVersion: 'apps/v1', kind: 'DaemonSet' },
  { apiVersion: 'batch/v1', kind: 'Job' },
  { apiVersion: 'batch/v1', kind: 'CronJob' },
  { apiVersion: 'batch/v1beta1', kind: 'CronJob' },
];
const attempts = 5;
/** The controller manager makes `default` a moment after its namespace. */
const defaultComesMs = 10_000;

export const isServiceAccount = (object: KubeObject): boolean => object.apiVersion === 'v1' && object.kind === 'ServiceAccount';

/** The accounts that the pods run as; a pod that names its pull secrets itself gets none from its account. */
export function accountsOf(objects: readonly KubeObject[]): Map<string, KubeObject> {
  const found = new Map<string, KubeObject>();
  for (const object of objects) {
    const spec = podSpecOf(object);
    if (spec && objectsAt(spec, 'imagePullSecrets').length === 0) found.set(accountOf(spec), object);
  }
  return found;
}

function accountOf(spec: unknown): string {
  return textAt(spec, 'serviceAccountName') ?? textAt(spec, 'serviceAccount') ?? 'default';
}

/**
 * Applies a ServiceAccount of the manifests. Its list of pull secrets is one value to the API server, which a server-side apply would replace
 * as a whole: so it goes there with what others have put into it, on condition that nobody has changed it since it was read.
 * @throws WaybillError as `serverSideApply`; CONFLICT when somebody writes to it all the time
 */
export async function applyAccount(
  cluster: Cluster,
  object: KubeObject,
  wired: boolean,
  options: Options & { fieldManager: string; force: boolean; dryRun?: boolean },
): Promise<void> {
  const { name, namespace } = object.metadata;
  const declared = objectsAt(object, 'imagePullSecrets').map((entry) => textAt(entry, 'name') ?? '');
  await withoutRace(async () => {
    const live = await cluster.get({ ...accountType, name, namespace }, options);
    const notes = live ? textsAt(live, 'metadata', 'annotations') : {};
    const before = new Set((notes[declaredAnnotation] ?? '').split(','));
    const present = namesIn(live);
    const others = present.filter((each) => !before.has(each) || each === pullSecretName);
    const all = [...new Set([...declared, ...others, ...(wired ? [pullSecretName] : [])])];
    const own = notes[wiredAnnotation] !== undefined || (wired && !present.includes(pullSecretName) && !declared.includes(pullSecretName));
    await cluster.serverSideApply(
      {
        ...object,
        metadata: {
          ...object.metadata,
          annotations: {
            ...object.metadata.annotations,
            ...(declared.length > 0 ? { [declaredAnnotation]: declared.join(',') } : {}),
            ...(own ? { [wiredAnnotation]: pullSecretName } : {}),
          },
          ...(live ? { resourceVersion: textAt(live, 'metadata', 'resourceVersion') } : {}),
        },
        ...(all.length > 0 ? { imagePullSecrets: all.map((each) => ({ name: each })) } : {}),
      },
      options,
    );
  });
}

/**
 * Adds the pull secret to a ServiceAccount that is there, behind what others have put there. True when it was not there yet.
 * @throws WaybillError INVALID_INPUT when there is no such account, CLUSTER_FAILED when the key may not
 */
export async function wireAccount(
  cluster: Cluster,
  account: { readonly name: string; readonly namespace: string },
  user: KubeObject,
  options: Options & { dryRun?: boolean },
): Promise<boolean> {
  const place = { ...accountType, ...account };
  return withoutRace(async () => {
    const live = await waitForAccount(cluster, place, options);
    if (!live)
      throw new WaybillError(
        'INVALID_INPUT',
        `${user.kind} ${user.metadata.name} runs as the ServiceAccount ${account.name}, which is neither in the manifests nor in the namespace ${account.namespace}`,
        { fix: 'Put the ServiceAccount into the manifests, or correct `serviceAccountName`.' },
      );
    const present = namesIn(live);
    if (present.includes(pullSecretName)) return false;
    await cluster.mergePatch(place, changeOf(live, [...present, pullSecretName], pullSecretName), { ...options, fieldManager: managedBy });
    return true;
  });
}

/**
 * Takes the pull secret off the ServiceAccounts on which Waybill put it and whose workloads of Waybill all name it themselves by now.
 * Returns a line for each account: what was done, or what still needs it. Nothing when the key may not look.
 */
export async function unwireAccounts(cluster: Cluster, namespace: string, { signal }: CallOptions): Promise<string[]> {
  for (const verb of ['list', 'patch'])
    if (!(await cluster.canI({ verb, group: '', resource: 'serviceaccounts', namespace }, { signal }))) return [];
  const accounts = (await cluster.list(accountType, { namespace }, { signal })).filter(
    (account) => textsAt(account, 'metadata', 'annotations')[wiredAnnotation] !== undefined,
  );
  if (accounts.length === 0) return [];
  const workloads = await listWorkloads(cluster, namespace, signal);
  const lines: string[] = [];
  for (const { metadata } of accounts) {
    const needs = workloads.find((workload) => {
      const spec = podSpecOf(workload);
      return (
        spec && accountOf(spec) === metadata.name && !objectsAt(spec, 'imagePullSecrets').some((each) => each['name'] === pullSecretName)
      );
    });
    if (needs) {
      lines.push(
        `ServiceAccount ${metadata.name} keeps the pull secret until ${needs.kind} ${needs.metadata.name}, which relies on it, is released again`,
      );
      continue;
    }
    const place = { ...accountType, name: metadata.name, namespace };
    await withoutRace(async () => {
      const live = await cluster.get(place, { signal });
      if (!live) return;
      const left = namesIn(live).filter((each) => each !== pullSecretName);
      await cluster.mergePatch(place, changeOf(live, left, null), { signal, fieldManager: managedBy });
    });
    lines.push(`ServiceAccount ${metadata.name} no longer names the pull secret: the pods do`);
  }
  return lines;
}

async function listWorkloads(cluster: Cluster, namespace: string, signal: AbortSignal | undefined): Promise<KubeObject[]> {
  const found: KubeObject[] = [];
  for (const type of workloadTypes)
    try {
      found.push(...(await cluster.list(type, { namespace, labels: `${managedByLabel}=${managedBy}` }, { signal })));
    } catch (error) {
      // Not every cluster has every version of a kind.
      if (!isWaybillError(error, 'INVALID_INPUT') || !error.detail.startsWith('the cluster knows no kind')) throw error;
    }
  return found;
}

async function waitForAccount(
  cluster: Cluster,
  place: KubeType & { readonly name: string; readonly namespace: string },
  options: Options,
): Promise<KubeObject | undefined> {
  const end = performance.now() + (place.name === 'default' ? defaultComesMs : 0);
  for (;;) {
    const live = await cluster.get(place, options);
    if (live || performance.now() >= end) return live;
    await sleep(300, undefined, options.signal ? { signal: options.signal } : {});
  }
}

/** A merge patch of exactly the version that was read (RFC 7386: a list is replaced, `null` removes a field). */
function changeOf(live: KubeObject, names: readonly string[], mark: string | null) {
  return {
    metadata: { resourceVersion: textAt(live, 'metadata', 'resourceVersion'), annotations: { [wiredAnnotation]: mark } },
    imagePullSecrets: names.length === 0 ? null : names.map((name) => ({ name })),
  };
}

function namesIn(account: KubeObject | undefined): string[] {
  return account ? objectsAt(account, 'imagePullSecrets').map((entry) => textAt(entry, 'name') ?? '') : [];
}

/** Reads and writes again when somebody else has written in between. */
async function withoutRace<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++)
    try {
      return await work();
    } catch (error) {
      if (!isWaybillError(error, 'CONFLICT') || tries >= attempts) throw error;
    }
}
