import { WaybillError, isWaybillError } from '../kernel/error.ts';
import type { KubeType } from './object.ts';
import { objectsAt, textAt, valueAt } from './object.ts';
import type { Transport } from './transport.ts';

export type Resource = { readonly plural: string; readonly namespaced: boolean };

/** Asks the cluster how a kind is called in paths and whether it has namespaces; remembers the answer. */
export function discovery(transport: Transport): (type: KubeType, signal: AbortSignal) => Promise<Resource> {
  const known = new Map<string, ReadonlyMap<string, Resource>>();
  return async ({ apiVersion, kind }, signal) => {
    let kinds = known.get(apiVersion);
    if (!kinds?.has(kind)) {
      kinds = await readGroup(transport, apiVersion, signal);
      known.set(apiVersion, kinds);
    }
    const resource = kinds.get(kind);
    if (resource === undefined) throw unknownKind(apiVersion, kind);
    return resource;
  };
}

async function readGroup(transport: Transport, apiVersion: string, signal: AbortSignal): Promise<ReadonlyMap<string, Resource>> {
  try {
    const list = await transport.json({ method: 'GET', path: groupPath(apiVersion), signal });
    const kinds = new Map<string, Resource>();
    for (const entry of objectsAt(list, 'resources')) {
      const plural = textAt(entry, 'name');
      const kind = textAt(entry, 'kind');
      if (plural === undefined || kind === undefined || plural.includes('/')) continue;
      kinds.set(kind, { plural, namespaced: valueAt(entry, 'namespaced') === true });
    }
    return kinds;
  } catch (error) {
    if (isWaybillError(error, 'NOT_FOUND')) return new Map();
    throw error;
  }
}

const apiVersionPattern = /^(?:[a-z0-9.-]{1,253}\/)?v[a-z0-9]{1,62}$/;

export function groupPath(apiVersion: string): string {
  if (!apiVersionPattern.test(apiVersion))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(apiVersion.slice(0, 100))} is not an apiVersion`);
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function unknownKind(apiVersion: string, kind: string): WaybillError {
  return new WaybillError('INVALID_INPUT', `the cluster knows no kind ${kind} in ${apiVersion}`, {
    fix: 'Correct apiVersion or kind, or install the custom resource definition first.',
  });
}
