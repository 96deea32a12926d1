import { withDeadline } from '../kernel/deadline.ts';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import type { Secret } from '../kernel/secret.ts';
import { discovery, groupPath } from './discovery.ts';
import { failureOf } from './failure.ts';
import { loadKubeconfig } from './kubeconfig.ts';
import { isKubeObject, objectsAt, textAt, valueAt, type KubeObject, type KubeType } from './object.ts';
import { openTransport, type Call, type Reply } from './transport.ts';
import { watchEvents, type WatchEvent } from './watch.ts';

export type Options = { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number };
export type Named = KubeType & { readonly name: string; readonly namespace?: string | undefined };
export type Selection = { readonly namespace?: string; readonly labels?: string; readonly fields?: string };
export type Access = {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
};
export type ProxyTarget = {
  readonly namespace: string;
  readonly type: 'pods' | 'services';
  readonly name: string;
  readonly port: number | string;
};

/**
 * One cluster, with the rights of one kubeconfig. Every call has a deadline (30 s unless told otherwise). Errors carry the API
 * server's own message: ADMISSION_DENIED for a webhook's or an admission policy's no, NOT_FOUND, CONFLICT, INVALID_INPUT
 * for a rejected object, CLUSTER_FAILED for the rest, DEADLINE_EXCEEDED and CANCELLED.
 */
export type Cluster = Disposable & {
  /** URL of the API server. */
  readonly server: string;
  version(options?: Options): Promise<string>;
  /** `force` takes over fields that another manager owns. `dryRun` asks for the verdict of schema and admission alone. */
  serverSideApply(object: KubeObject, options: Options & { fieldManager: string; force: boolean; dryRun?: boolean }): Promise<KubeObject>;
  /** A JSON merge patch (RFC 7386). With `metadata.resourceVersion` it is refused (CONFLICT) when the object has changed since. */
  mergePatch(object: Named, patch: object, options: Options & { fieldManager: string; dryRun?: boolean }): Promise<KubeObject>;
  /** Creates an object that must not exist yet. Its name may be left to `generateName`. */
  create(object: KubeType & { readonly metadata: object }, namespace: string | undefined, options?: Options): Promise<unknown>;
  get(object: Named, options?: Options): Promise<KubeObject | undefined>;
  list(type: KubeType, selection: Selection, options?: Options): Promise<readonly KubeObject[]>;
  /** Ends when the API server closes it; the deadline is the caller's signal alone. */
  watch(type: KubeType, selection: Selection & { resourceVersion?: string }, signal: AbortSignal): AsyncIterable<WatchEvent>;
  /** False when there was none. Dependents are deleted in the background. */
  delete(object: Named, options?: Options): Promise<boolean>;
  /** The last lines of a container; `previous` for the one that crashed before. At most 1 MiB. */
  podLogs(
    pod: { readonly namespace: string; readonly name: string; readonly container?: string },
    options: Options & { tail: number; previous?: boolean },
  ): Promise<string>;
  canI(access: Access, options?: Options): Promise<boolean>;
  isNamespaced(type: KubeType, options?: Options): Promise<boolean>;
  /** GET through the API server's proxy. Any status of the target is a reply; the API server's own failures are errors. At most 16 MiB. */
  proxyGet(target: ProxyTarget, path: string, options?: Options): Promise<Reply>;
};

const defaultTimeoutMs = 30_000;
const pageSize = 500;
const maxObjects = 50_000;

/** @param source.kubeconfig sealed value, or path of a file on this host */
export async function connectCluster(source: { kubeconfig: Secret | string; context?: string }): Promise<Cluster> {
  const config = await loadKubeconfig(source.kubeconfig, source.context);
  const transport = openTransport(config);
  const resourceOf = discovery(transport);
  const server = config.getCurrentCluster()?.server ?? '';

  async function within<T>(options: Options | undefined, what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    using deadline = withDeadline(options?.signal, options?.timeoutMs ?? defaultTimeoutMs, `${what} on ${server}`);
    return await work(deadline.signal);
  }
  const json = (call: Call) => transport.json(call);

  async function pathOf(type: KubeType, namespace: string | undefined, signal: AbortSignal): Promise<string> {
    const { plural, namespaced } = await resourceOf(type, signal);
    const scope = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
    return `${groupPath(type.apiVersion)}${scope}/${plural}`;
  }
  async function pathOfOne(object: Named, signal: AbortSignal): Promise<string> {
    const { namespaced } = await resourceOf(object, signal);
    if (namespaced && object.namespace === undefined)
      throw new WaybillError('INVALID_INPUT', `${object.kind} ${object.name} needs a namespace`);
    return `${await pathOf(object, object.namespace, signal)}/${encodeURIComponent(object.name)}`;
  }

  return {
    server,
    version: (options) =>
      within(
        options,
        'version',
        async (signal) => textAt(await json({ method: 'GET', path: '/version', signal }), 'gitVersion') ?? 'unknown',
      ),
    serverSideApply: (object, options) =>
      within(options, `applying ${object.kind} ${object.metadata.name}`, async (signal) => {
        const { name, namespace } = object.metadata;
        const query = new URLSearchParams({ fieldManager: options.fieldManager, force: String(options.force) });
        if (options.dryRun === true) query.set('dryRun', 'All');
        const path = `${await pathOfOne({ apiVersion: object.apiVersion, kind: object.kind, name, namespace }, signal)}?${query}`;
        // JSON is YAML, and `apply-patch+yaml` is the one media type that every version knows.
        return parsed(await json({ method: 'PATCH', path, body: object, contentType: 'application/apply-patch+yaml', signal }));
      }),
    mergePatch: (object, patch, options) =>
      within(options, `changing ${object.kind} ${object.name}`, async (signal) => {
        const query = new URLSearchParams({ fieldManager: options.fieldManager });
        if (options.dryRun === true) query.set('dryRun', 'All');
        const path = `${await pathOfOne(object, signal)}?${query}`;
        return parsed(await json({ method: 'PATCH', path, body: patch, contentType: 'application/merge-patch+json', signal }));
      }),
    create: (object, namespace, options) =>
      within(options, `creating ${object.kind}`, async (signal) =>
        json({ method: 'POST', path: await pathOf(object, namespace, signal), body: object, signal }),
      ),
    get: (object, options) =>
      within(options, `reading ${object.kind} ${object.name}`, async (signal) => {
        try {
          return parsed(await json({ method: 'GET', path: await pathOfOne(object, signal), signal }));
        } catch (error) {
          if (isWaybillError(error, 'NOT_FOUND')) return undefined;
          throw error;
        }
      }),
    list: (type, selection, options) =>
      within(options, `listing ${type.kind}`, async (signal) => {
        const found: KubeObject[] = [];
        let next: string | undefined;
        do {
          const query = queryOf(selection, { limit: String(pageSize), ...(next !== undefined && { continue: next }) });
          const page = await json({ method: 'GET', path: `${await pathOf(type, selection.namespace, signal)}?${query}`, signal });
          // Items of a list come without their type.
          for (const item of objectsAt(page, 'items')) found.push(parsed({ ...item, apiVersion: type.apiVersion, kind: type.kind }));
          if (found.length > maxObjects) throw new WaybillError('LIMIT_EXCEEDED', `more than ${maxObjects} objects of kind ${type.kind}`);
          next = textAt(page, 'metadata', 'continue');
        } while (next !== undefined && next !== '');
        return found;
      }),
    async *watch(type, selection, signal) {
      const query = queryOf(selection, {
        watch: 'true',
        ...(selection.resourceVersion !== undefined && { resourceVersion: selection.resourceVersion }),
      });
      yield* watchEvents(transport, `${await pathOf(type, selection.namespace, signal)}?${query}`, signal);
    },
    delete: (object, options) =>
      within(options, `deleting ${object.kind} ${object.name}`, async (signal) => {
        const body = { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' };
        try {
          await json({ method: 'DELETE', path: await pathOfOne(object, signal), body, signal });
          return true;
        } catch (error) {
          if (isWaybillError(error, 'NOT_FOUND')) return false;
          throw error;
        }
      }),
    podLogs: ({ namespace, name, container }, options) =>
      within(options, `logs of ${name}`, async (signal) => {
        const query = new URLSearchParams({ tailLines: String(options.tail), limitBytes: String(1024 * 1024) });
        if (container !== undefined) query.set('container', container);
        if (options.previous === true) query.set('previous', 'true');
        const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/log?${query}`;
        const reply = await transport.exchange({ method: 'GET', path, signal });
        const text = reply.body.toString('utf8');
        if (reply.status !== 200) throw failureOf(reply.status, text);
        return text;
      }),
    canI: (access, options) =>
      within(options, 'access review', async (signal) => {
        const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: access } };
        const review = await json({ method: 'POST', path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', body, signal });
        return valueAt(review, 'status', 'allowed') === true;
      }),
    isNamespaced: (type, options) => within(options, 'discovery', async (signal) => (await resourceOf(type, signal)).namespaced),
    proxyGet: (target, path, options) =>
      within(options, `GET ${target.type}/${target.name}${path}`, async (signal) => {
        checkProxyPath(path);
        const base = `/api/v1/namespaces/${encodeURIComponent(target.namespace)}/${target.type}`;
        const full = `${base}/${encodeURIComponent(target.name)}:${encodeURIComponent(String(target.port))}/proxy${path}`;
        const reply = await transport.exchange({ method: 'GET', path: full, signal }, 16 * 1024 * 1024);
        const failed = reply.status >= 400 && reply.headers['content-type']?.startsWith('application/json') === true;
        const text = failed ? reply.body.toString('utf8') : '';
        if (failed && isStatus(text)) throw failureOf(reply.status, text);
        return reply;
      }),
    [Symbol.dispose]: () => transport[Symbol.dispose](),
  };
}

function queryOf(selection: Selection, more: Readonly<Record<string, string>>): URLSearchParams {
  const query = new URLSearchParams(more);
  if (selection.labels !== undefined) query.set('labelSelector', selection.labels);
  if (selection.fields !== undefined) query.set('fieldSelector', selection.fields);
  return query;
}

/** A path may not climb out of the proxy with `..`: the call has the rights of the cluster key. */
const climbing = /(?:^|\/|\\|%2f|%5c)(?:\.|%2e){2}(?:$|[/\\?#]|%2f|%5c)/i;

function checkProxyPath(path: string): void {
  if (!path.startsWith('/')) throw new WaybillError('INVALID_INPUT', 'a path begins with /');
  if (climbing.test(path)) throw new WaybillError('INVALID_INPUT', `the path ${JSON.stringify(path.slice(0, 100))} leaves the endpoint`);
}

function isStatus(text: string): boolean {
  try {
    const parsedText: unknown = JSON.parse(text);
    return textAt(parsedText, 'kind') === 'Status' && textAt(parsedText, 'apiVersion') === 'v1';
  } catch {
    return false;
  }
}

function parsed(value: unknown): KubeObject {
  if (!isKubeObject(value)) throw new WaybillError('CLUSTER_FAILED', 'the API server answered with something that is no object');
  return value;
}
