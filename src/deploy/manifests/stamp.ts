import type { GitOid } from '../../kernel/git-oid.ts';
import { isClusterScoped } from '../../kube/kinds.ts';
import { isJsonObject, textsAt, type JsonObject, type KubeObject } from '../../kube/object.ts';
import { changeTemplate, refusal, type LoadedObject } from './loaded-object.ts';

export const managedByLabel = 'app.kubernetes.io/managed-by';
export const managedBy = 'waybill';
export const runAnnotation = 'waybill.dev/run';
export const commitAnnotation = 'waybill.dev/commit';
export const repositoryAnnotation = 'waybill.dev/repository';
export const environmentAnnotation = 'waybill.dev/environment';

/** Which release the objects belong to. */
export type Stamp = {
  readonly run: number;
  readonly commit: GitOid;
  readonly repository: string;
  readonly environment: { readonly name: string; readonly namespace: string };
};

/**
 * Marks every object and its pod template with the release, and puts it into the environment's namespace.
 * @throws WaybillError INVALID_INPUT with `file:line` for an object of another namespace or of none
 */
export function stamp(loaded: readonly LoadedObject[], by: Stamp): LoadedObject[] {
  const { namespace, name } = by.environment;
  const annotations = {
    [runAnnotation]: String(by.run),
    [commitAnnotation]: by.commit,
    [repositoryAnnotation]: by.repository,
    [environmentAnnotation]: name,
  };
  return loaded.map((entry) => {
    const { object } = entry;
    if (isClusterScoped(object))
      throw refusal(
        entry,
        `belongs to the whole cluster; a deploy to the environment ${name} touches the namespace ${namespace} alone`,
        'Take it out of the manifests; an administrator of the cluster applies it once.',
      );
    const own = object.metadata.namespace;
    if (own !== undefined && own !== namespace)
      throw refusal(
        entry,
        `names the namespace ${own}, but the environment ${name} is the namespace ${namespace}`,
        'Remove metadata.namespace; the environment decides.',
      );
    const marked = changeTemplate(entry, (template) => ({ ...template, metadata: mark(template['metadata'], annotations) }));
    const metadata = { ...mark(marked.object.metadata, annotations), namespace } as KubeObject['metadata'];
    return { ...marked, object: { ...marked.object, metadata } };
  });
}

function mark(metadata: unknown, annotations: Readonly<Record<string, string>>): JsonObject {
  return {
    ...(isJsonObject(metadata) ? metadata : {}),
    labels: { ...textsAt(metadata, 'labels'), [managedByLabel]: managedBy },
    annotations: { ...textsAt(metadata, 'annotations'), ...annotations },
  };
}
