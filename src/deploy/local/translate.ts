import { WaybillError } from '../../kernel/error.ts';
import {
  isJsonObject,
  numberAt,
  objectsAt,
  textAt,
  textsAt,
  titleOf,
  valueAt,
  type JsonObject,
  type KubeObject,
} from '../../kube/object.ts';
import {
  commitAnnotation,
  environmentAnnotation,
  managedBy,
  managedByLabel,
  repositoryAnnotation,
  runAnnotation,
} from '../manifests/stamp.ts';
import { confiningContext, refuseEscapes } from './confine.ts';
import { instanceLabel } from './pods.ts';
import { plainEnv, valuesOf, volumeFiles, type Values, type VolumeFile } from './values.ts';

export const workloadLabel = 'waybill.dev/workload';
/** Names of the containers that stay, which tells them from init containers. */
export const containersLabel = 'waybill.dev/containers';

/** One pod for `podman kube play`, and what podman does not do by itself. */
export type LocalPod = {
  readonly workload: { readonly apiVersion: string; readonly kind: string; readonly name: string };
  /** Name of the pod in podman; unique for each deploy. */
  readonly id: string;
  readonly manifest: KubeObject;
  /** Pulled before the pod starts: reference and pull policy. */
  readonly images: readonly { readonly reference: string; readonly policy: 'Always' | 'IfNotPresent' | 'Never' }[];
  /** Folders to be filled with files and mounted read-only: placeholder in the manifest → files. */
  readonly volumes: readonly { readonly name: string; readonly files: readonly VolumeFile[] }[];
  readonly meta: PodMeta;
};

/** What `waitReady` and `remove` need to know later; kept beside the pod as JSON. */
export type PodMeta = {
  readonly workload: string;
  readonly repository: string;
  readonly containers: readonly string[];
  /** False for a pod that may end by itself. */
  readonly stays: boolean;
  readonly ports: readonly LocalPort[];
  readonly probes: readonly LocalProbe[];
};

/** `hostPort` is on 127.0.0.1; `fixed` when the manifest asks for this very one. */
export type LocalPort = { readonly container: string; readonly port: number; readonly hostPort: number; readonly fixed: boolean };

export type LocalProbe = {
  readonly container: string;
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
} & (
  | { readonly type: 'http'; readonly hostPort: number; readonly path: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly type: 'tcp'; readonly hostPort: number }
  | { readonly type: 'exec'; readonly command: readonly string[] }
);

export type Translation = {
  readonly pods: readonly LocalPod[];
  /** What is different from a cluster, one line each. */ readonly notes: readonly string[];
};

const leftOut: Readonly<Record<string, string>> = {
  Service: 'is left out: on this host each port has an address of its own',
  Ingress: 'is left out: this host has no ingress',
  ServiceAccount: 'is left out: this host has no API server',
  Role: 'is left out: this host has no API server',
  RoleBinding: 'is left out: this host has no API server',
  NetworkPolicy: 'is left out: ports are reachable from this host alone',
  PodDisruptionBudget: 'is left out',
  HorizontalPodAutoscaler: 'is left out: one of each runs here',
  PersistentVolumeClaim: 'becomes a volume of podman',
};

/** @param place.folderOf where the files of a pod's volumes will be; `freePort` gives ports of 127.0.0.1 that nobody uses */
export type Place = {
  readonly environment: string;
  /** Tells the environments of several Waybills on one host apart. */
  readonly instance: string;
  readonly suffix: string;
  folderOf(pod: string, volume: string): string;
  freePort(): number;
};

/**
 * Pods and Deployments as pods of podman. Built from known fields alone: annotations and fields that mean something to podman and
 * not to Kubernetes never reach it.
 * @throws WaybillError UNSUPPORTED for kinds that this host cannot run, INVALID_INPUT
 */
export function translate(objects: readonly KubeObject[], place: Place): Translation {
  const notes: string[] = [];
  const values = valuesOf(objects);
  const pods: LocalPod[] = [];
  for (const object of objects) {
    if (object.kind === 'ConfigMap' || object.kind === 'Secret') continue;
    const note = Object.hasOwn(leftOut, object.kind) ? leftOut[object.kind] : undefined;
    if (note !== undefined) notes.push(`${titleOf(object)} ${note}`);
    else if (object.kind === 'Pod' || object.kind === 'Deployment') {
      const replicas = object.kind === 'Pod' ? 1 : (numberAt(object, 'spec', 'replicas') ?? 1);
      if (replicas > 1) notes.push(`${titleOf(object)} runs once instead of ${replicas} times: this is one host`);
      if (replicas === 0) notes.push(`${titleOf(object)} does not run: it has no replicas`);
      else pods.push(translatePod(object, values, place, notes));
    } else
      throw new WaybillError(
        'UNSUPPORTED',
        `${titleOf(object)}: the environment ${place.environment} is this host, which runs Pods and Deployments`,
        {
          fix: 'Deploy it to a cluster, or give this environment manifests of its own.',
        },
      );
  }
  return { pods, notes };
}

function translatePod(object: KubeObject, values: Values, place: Place, notes: string[]): LocalPod {
  const template: unknown = object.kind === 'Pod' ? object : valueAt(object, 'spec', 'template');
  const spec = valueAt(template, 'spec');
  if (!isJsonObject(spec) || objectsAt(spec, 'containers').length === 0)
    throw new WaybillError('INVALID_INPUT', `${titleOf(object)} has no containers`);
  refuseEscapes(object, spec);
  const annotations = textsAt(object, 'metadata', 'annotations');
  const id = `waybill-${place.environment}-${object.metadata.name}`.slice(0, 48) + `-${place.suffix}`;
  const stays = object.kind === 'Deployment' || (textAt(spec, 'restartPolicy') ?? 'Always') === 'Always';
  const ports: LocalPort[] = [];
  const files = new Map<string, readonly VolumeFile[]>();
  for (const volume of objectsAt(spec, 'volumes')) {
    const found = volumeFiles(volume, values, object);
    if (found !== undefined) files.set(String(volume['name']), found);
  }
  const containers: readonly JsonObject[] = objectsAt(spec, 'containers').map((container) => {
    for (const unused of ['livenessProbe', 'startupProbe', 'lifecycle'])
      if (container[unused] !== undefined)
        notes.push(`${titleOf(object)}: ${unused} of container ${String(container['name'])} is left out`);
    return { ...plainContainer(container, values, object, files), ports: publish(container, ports, place) };
  });
  const probes = objectsAt(spec, 'containers').flatMap((container) => probeOf(container, ports, place, containers));
  const workload = `${object.kind} ${object.metadata.name}`;
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(textsAt(template, 'metadata', 'labels'))) if (!key.startsWith('io.')) labels[key] = value;
  const manifest: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: id,
      labels: {
        ...labels,
        [managedByLabel]: managedBy,
        [environmentAnnotation]: place.environment,
        [instanceLabel]: place.instance,
        [workloadLabel]: workload,
        [containersLabel]: containers.map((container) => String(container['name'])).join(','),
        [repositoryAnnotation]: annotations[repositoryAnnotation] ?? '',
        [runAnnotation]: annotations[runAnnotation] ?? '',
        [commitAnnotation]: annotations[commitAnnotation] ?? '',
      },
      // podman 4.3 fails to remove an init container of the type `once` when it has ended too soon.
      annotations: { 'io.podman.annotations.init.container.type': 'always' },
    },
    spec: {
      restartPolicy: stays ? 'Always' : (textAt(spec, 'restartPolicy') ?? 'Always'),
      ...pick(spec, ['hostAliases', 'terminationGracePeriodSeconds']),
      ...defined('securityContext', confiningContext(spec['securityContext'], 'pod')),
      initContainers: objectsAt(spec, 'initContainers').map((container) => plainContainer(container, values, object, files)),
      containers,
      volumes: objectsAt(spec, 'volumes').map((volume) => plainVolume(volume, files, id, place)),
    },
  };
  return {
    workload: { apiVersion: object.apiVersion, kind: object.kind, name: object.metadata.name },
    id,
    manifest,
    images: ['initContainers', 'containers'].flatMap((list) => objectsAt(spec, list)).map(imageOf),
    volumes: [...files].map(([name, list]) => ({ name, files: list })),
    meta: {
      workload,
      repository: annotations[repositoryAnnotation] ?? '',
      containers: containers.map((container) => `${id}-${String(container['name'])}`),
      stays,
      ports,
      probes,
    },
  };
}

function plainContainer(container: JsonObject, values: Values, workload: KubeObject, files: ReadonlyMap<string, unknown>): JsonObject {
  return {
    ...pick(container, ['name', 'image', 'command', 'args', 'workingDir', 'resources']),
    imagePullPolicy: 'Never', // pulled before, with an error of its own
    env: plainEnv(container, values, workload),
    ...defined('securityContext', confiningContext(container['securityContext'], 'container')),
    volumeMounts: objectsAt(container, 'volumeMounts').map((mount) => ({
      ...pick(mount, ['name', 'mountPath', 'subPath']),
      readOnly: mount['readOnly'] === true || files.has(String(mount['name'])),
    })),
  };
}

function publish(container: JsonObject, ports: LocalPort[], place: Place): JsonObject[] {
  return objectsAt(container, 'ports').flatMap((entry) => {
    const port = numberAt(entry, 'containerPort');
    if (port === undefined || (entry['protocol'] ?? 'TCP') !== 'TCP') return [];
    const wanted = numberAt(entry, 'hostPort');
    const hostPort = wanted ?? place.freePort();
    ports.push({ container: String(container['name']), port, hostPort, fixed: wanted !== undefined });
    return [{ containerPort: port, hostPort, hostIP: '127.0.0.1' }];
  });
}

function probeOf(container: JsonObject, ports: LocalPort[], place: Place, rendered: readonly JsonObject[]): LocalProbe[] {
  const probe = container['readinessProbe'];
  if (!isJsonObject(probe)) return [];
  const name = String(container['name']);
  const seconds = (field: string, otherwise: number) => Math.min(Math.max(numberAt(probe, field) ?? otherwise, 0), 3600) * 1000;
  const common = {
    container: name,
    initialDelayMs: seconds('initialDelaySeconds', 0),
    periodMs: seconds('periodSeconds', 10),
    timeoutMs: seconds('timeoutSeconds', 1),
  };
  const hostPort = (wanted: unknown): number => {
    const number =
      typeof wanted === 'number'
        ? wanted
        : numberAt(
            objectsAt(container, 'ports').find((port) => port['name'] === wanted),
            'containerPort',
          );
    if (number === undefined)
      throw new WaybillError('INVALID_INPUT', `the readiness probe of container ${name} names the unknown port ${String(wanted)}`);
    const known = ports.find((port) => port.port === number);
    if (known) return known.hostPort;
    // A port that only the probe names is published as well: this host is where the probe runs.
    const published = place.freePort();
    ports.push({ container: name, port: number, hostPort: published, fixed: false });
    const list = rendered.find((entry) => entry['name'] === name)?.['ports'];
    if (Array.isArray(list)) list.push({ containerPort: number, hostPort: published, hostIP: '127.0.0.1' });
    return published;
  };
  const http = valueAt(probe, 'httpGet');
  if (http !== undefined) {
    if ((textAt(http, 'scheme') ?? 'HTTP') !== 'HTTP') return [{ ...common, type: 'tcp', hostPort: hostPort(valueAt(http, 'port')) }];
    const headers = Object.fromEntries(objectsAt(http, 'httpHeaders').map((header) => [String(header['name']), String(header['value'])]));
    return [{ ...common, type: 'http', hostPort: hostPort(valueAt(http, 'port')), path: textAt(http, 'path') ?? '/', headers }];
  }
  const tcp = valueAt(probe, 'tcpSocket', 'port');
  if (tcp !== undefined) return [{ ...common, type: 'tcp', hostPort: hostPort(tcp) }];
  const command = valueAt(probe, 'exec', 'command');
  return Array.isArray(command) ? [{ ...common, type: 'exec', command: command.map(String) }] : [];
}

function plainVolume(volume: JsonObject, files: ReadonlyMap<string, unknown>, id: string, place: Place): JsonObject {
  const name = String(volume['name']);
  if (files.has(name)) return { name, hostPath: { path: place.folderOf(id, name), type: 'Directory' } };
  const claim = textAt(volume, 'persistentVolumeClaim', 'claimName');
  if (claim !== undefined) return { name, persistentVolumeClaim: { claimName: `waybill-${place.environment}-${claim}` } };
  return { name, emptyDir: {} };
}

function imageOf(container: JsonObject): LocalPod['images'][number] {
  const reference = textAt(container, 'image') ?? '';
  const policy = textAt(container, 'imagePullPolicy');
  if (policy === 'Always' || policy === 'Never') return { reference, policy };
  const latest = !reference.includes('@') && (reference.endsWith(':latest') || !/:[^/]+$/.test(reference));
  return { reference, policy: policy === undefined && latest ? 'Always' : 'IfNotPresent' };
}

function pick(object: JsonObject, fields: readonly string[]): JsonObject {
  return Object.fromEntries(fields.filter((field) => object[field] !== undefined).map((field) => [field, object[field]]));
}

function defined(field: string, value: unknown): JsonObject {
  return value === undefined ? {} : { [field]: value };
}
