import { isJsonObject, objectsAt } from '../../kube/object.ts';
import { changeTemplate, type LoadedObject } from './loaded-object.ts';

/** Adds the pull secret to `imagePullSecrets` of every pod template that does not have it yet. */
export function wirePullSecret(loaded: readonly LoadedObject[], secretName: string): LoadedObject[] {
  return loaded.map((entry) =>
    changeTemplate(entry, (template) => {
      const spec = template['spec'];
      if (!isJsonObject(spec)) return template;
      const present = objectsAt(spec, 'imagePullSecrets');
      if (present.some((secret) => secret['name'] === secretName)) return template;
      return { ...template, spec: { ...spec, imagePullSecrets: [...present, { name: secretName }] } };
    }),
  );
}
