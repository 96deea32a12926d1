import { WaybillError } from '../../kernel/error.ts';
import { numberAt, objectsAt, textAt, textsAt, valueAt } from '../../kube/object.ts';
import { environmentAnnotation, managedBy, managedByLabel } from '../manifests/stamp.ts';
import type { CallOptions } from '../port.ts';
import type { Engine } from './engine.ts';

/** A pod of one environment, as podman reports it. */
export type FoundPod = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Names without the infra container. */
  readonly containers: readonly string[];
};

export type FoundContainer = {
  readonly name: string;
  /** `running`, `exited`, … */
  readonly status: string;
  readonly exitCode: number;
  readonly restarts: number;
  /** What the kernel or the runtime said when it could not be started. */
  readonly error: string;
  readonly image: string;
  readonly imageDigest: string;
};

/** An environment of one Waybill: others on this host may have one of the same name. */
export type Owner = { readonly environment: string; readonly instance: string };

export const instanceLabel = 'waybill.dev/instance';

export async function listPods(podman: Engine, owner: Owner, { signal }: CallOptions): Promise<FoundPod[]> {
  const labels = [
    [managedByLabel, managedBy],
    [environmentAnnotation, owner.environment],
    [instanceLabel, owner.instance],
  ];
  const filters = labels.flatMap(([key, value]) => ['--filter', `label=${key}=${value}`]);
  const list = parseList(await podman.run(['pod', 'ps', '--format', 'json', ...filters], { signal }));
  return list.map((pod) => ({
    name: textAt(pod, 'Name') ?? '',
    labels: textsAt(pod, 'Labels'),
    containers: objectsAt(pod, 'Containers')
      .filter((container) => textAt(container, 'Id') !== textAt(pod, 'InfraId'))
      .map((container) => textAt(container, 'Names') ?? ''),
  }));
}

export async function inspectContainers(podman: Engine, names: readonly string[], { signal }: CallOptions): Promise<FoundContainer[]> {
  if (names.length === 0) return [];
  const list = parseList(await podman.run(['inspect', '--type', 'container', ...names], { signal }));
  return list.map((container) => ({
    name: textAt(container, 'Name') ?? '',
    status: textAt(container, 'State', 'Status') ?? '',
    exitCode: numberAt(container, 'State', 'ExitCode') ?? 0,
    restarts: numberAt(container, 'RestartCount') ?? 0,
    error: textAt(container, 'State', 'Error') ?? '',
    image: textAt(container, 'ImageName') ?? '',
    imageDigest: textAt(container, 'ImageDigest') ?? '',
  }));
}

function parseList(text: string) {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WaybillError('ENGINE_FAILED', `podman answered with something that is not JSON: ${text.slice(0, 200)}`, { cause });
  }
  return objectsAt(valueAt({ list: value }, 'list'));
}
