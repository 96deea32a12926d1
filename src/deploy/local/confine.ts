import { WaybillError } from '../../kernel/error.ts';
import { isJsonObject, objectsAt, titleOf, valueAt, type JsonObject, type KubeObject } from '../../kube/object.ts';

/** No gate stands before this host, so what reaches out of a container is refused here: Pod Security Standards, "baseline". */
const hostFields = ['hostNetwork', 'hostPID', 'hostIPC'];
const volumeTypes = new Set(['emptyDir', 'configMap', 'secret', 'persistentVolumeClaim']);
const harmlessCapabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);
const podContext = ['runAsUser', 'runAsGroup', 'runAsNonRoot', 'fsGroup', 'supplementalGroups'];
const containerContext = ['runAsUser', 'runAsGroup', 'runAsNonRoot', 'readOnlyRootFilesystem', 'allowPrivilegeEscalation', 'capabilities'];

/** @throws WaybillError INVALID_INPUT, UNSUPPORTED */
export function refuseEscapes(workload: KubeObject, spec: JsonObject): void {
  for (const field of hostFields) if (spec[field] === true) throw escape(workload, `\`${field}: true\``);
  for (const volume of objectsAt(spec, 'volumes')) {
    const type = Object.keys(volume).find((key) => key !== 'name') ?? 'emptyDir';
    if (type === 'hostPath') throw escape(workload, `the hostPath volume ${String(volume['name'])}`);
    if (!volumeTypes.has(type))
      throw new WaybillError('UNSUPPORTED', `${titleOf(workload)} has a volume of the type ${type}, which this host cannot give`, {
        fix: `Use ${[...volumeTypes].join(', ')}, or deploy to a cluster.`,
      });
  }
  for (const container of ['initContainers', 'containers'].flatMap((list) => objectsAt(spec, list))) {
    const context = container['securityContext'];
    if (valueAt(context, 'privileged') === true) throw escape(workload, '`privileged: true`');
    if ((valueAt(context, 'procMount') ?? 'Default') !== 'Default') throw escape(workload, '`procMount`');
    const added = valueAt(context, 'capabilities', 'add');
    for (const capability of Array.isArray(added) ? added : [])
      if (!harmlessCapabilities.has(String(capability))) throw escape(workload, `the capability ${String(capability)}`);
  }
}

/** Only the fields that confine further; everything else of a security context is left out. */
export function confiningContext(context: unknown, of: 'pod' | 'container'): JsonObject | undefined {
  if (!isJsonObject(context)) return undefined;
  const fields = of === 'pod' ? podContext : containerContext;
  return Object.fromEntries(fields.filter((field) => context[field] !== undefined).map((field) => [field, context[field]]));
}

function escape(workload: KubeObject, what: string): WaybillError {
  return new WaybillError('INVALID_INPUT', `${titleOf(workload)} asks for ${what}, which reaches out of its container onto this host`, {
    fix: 'Remove it from the manifest, or deploy to a cluster whose policy allows it.',
  });
}
