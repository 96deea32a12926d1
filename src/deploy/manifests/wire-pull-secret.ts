import { isJsonObject, objectsAt } from '../../kube/object.ts';
import type { PullSecretOn } from '../environment.ts';
import { changeTemplate, type LoadedObject } from './loaded-object.ts';

/**
 * Adds the pull secret to `imagePullSecrets` of every pod template that does not have it yet. When it is on the ServiceAccounts, only to those that
 * name others: a pod that names any gets none from its ServiceAccount.
 */
export function wirePullSecret(loaded: readonly LoadedObject[], secretName: string, on: PullSecretOn = 'pods'): LoadedObject[] {
  return loaded.map((entry) =>
    changeTemplate(entry, (template) => {
      const spec = template['spec'];
      if (!isJsonObject(spec)) return template;
      const present = objectsAt(spec, 'imagePullSecrets');
      if (present.some((secret) => secret['name'] === secretName)) return template;
      if (on === 'service-accounts' && present.length === 0) return template;
      return { ...template, spec: { ...spec, imagePullSecrets: [...present, { name: secretName }] } };
    }),
  );
}
