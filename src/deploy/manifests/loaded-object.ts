import { WaybillError } from '../../kernel/error.ts';
import { isJsonObject, type JsonObject, type KubeObject } from '../../kube/object.ts';
import { podTemplatePath } from '../../kube/kinds.ts';

/** One object of the manifests and where it was written: a path in the tree and a line, counted from 1. */
export type LoadedObject = { readonly object: KubeObject; readonly file: string; readonly line: number };

/** INVALID_INPUT with the place in front, as an editor understands it. */
export function refusal(at: LoadedObject, message: string, fix: string): WaybillError {
  return new WaybillError('INVALID_INPUT', `${at.file}:${at.line}: ${at.object.kind} ${at.object.metadata.name} ${message}`, { fix });
}

/** A copy in which `change` was applied to the pod template (an object with `metadata` and `spec`); the same when there is none. */
export function changeTemplate(loaded: LoadedObject, change: (template: JsonObject) => JsonObject): LoadedObject {
  const path = podTemplatePath(loaded.object);
  if (path === undefined) return loaded;
  const changed = changeAt(loaded.object, path, change);
  return { ...loaded, object: changed as KubeObject };
}

function changeAt(value: JsonObject, path: readonly string[], change: (found: JsonObject) => JsonObject): JsonObject {
  const [first, ...rest] = path;
  if (first === undefined) return change(value);
  const inner = value[first];
  return isJsonObject(inner) ? { ...value, [first]: changeAt(inner, rest, change) } : value;
}
