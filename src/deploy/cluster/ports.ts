import { isJsonObject, type JsonObject, type KubeObject } from '../../kube/object.ts';
import { changeTemplate } from '../manifests/loaded-object.ts';

/**
 * Writes the default protocol of ports out. It is part of their key in a server-side apply, and API servers
 * before 1.21 reject a Service that leaves it to the default.
 */
export function withProtocols(object: KubeObject): KubeObject {
  if (object.apiVersion === 'v1' && object.kind === 'Service') {
    const spec = object['spec'];
    return isJsonObject(spec) ? { ...object, spec: complete(spec) } : object;
  }
  return changeTemplate({ object, file: '', line: 0 }, (template) => {
    const spec = template['spec'];
    if (!isJsonObject(spec)) return template;
    const changed: Record<string, unknown> = { ...spec };
    for (const list of ['initContainers', 'containers']) {
      const containers = spec[list];
      if (Array.isArray(containers)) changed[list] = containers.map((entry: unknown) => (isJsonObject(entry) ? complete(entry) : entry));
    }
    return { ...template, spec: changed };
  }).object;
}

function complete(owner: JsonObject): JsonObject {
  const ports = owner['ports'];
  if (!Array.isArray(ports)) return owner;
  return { ...owner, ports: ports.map((port: unknown) => (isJsonObject(port) ? { protocol: 'TCP', ...port } : port)) };
}
