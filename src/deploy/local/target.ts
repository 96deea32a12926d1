import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import { objectsAt, type KubeObject } from '../../kube/object.ts';
import { podSpecOf } from '../../kube/kinds.ts';
import { digestIn } from '../cluster/running.ts';
import { commitAnnotation, repositoryAnnotation, runAnnotation } from '../manifests/stamp.ts';
import type { Applied, ApplyOptions, Readiness, RunningContainer, Target } from '../port.ts';
import type { WaitOptions } from '../cluster/wait.ts';
import type { Engine } from './engine.ts';
import { localEndpoints } from './endpoints.ts';
import { freePorts } from './free-ports.ts';
import { openPodman, removePod, type Podman } from './podman.ts';
import { inspectContainers, listPods, type FoundPod, type Owner } from './pods.ts';
import { pullImages } from './pull.ts';
import { containersLabel, translate, workloadLabel, type LocalPod, type PodMeta } from './translate.ts';
import { waitForPod } from './wait.ts';

export type LocalOptions = {
  readonly environment: string;
  /** A folder of Waybill's own; made with mode 0700 when it is missing. Holds files of volumes while their pods exist. */
  readonly stateFolder: string;
  /** What podman may see of the environment: PATH, HOME, XDG_RUNTIME_DIR, …; nothing of Waybill's. */
  readonly env: Readonly<Record<string, string>>;
};

/** Releases onto this host, as pods of podman whose ports are on 127.0.0.1 alone. */
export function openLocalTarget({ environment, stateFolder, env }: LocalOptions): Target {
  let opened: Promise<Podman> | undefined;
  const podsFolder = join(stateFolder, 'pods');
  const owner: Owner = { environment, instance: createHash('sha256').update(resolve(stateFolder)).digest('hex').slice(0, 16) };

  async function podman(options: { signal?: AbortSignal | undefined }): Promise<Podman> {
    opened ??= openPodman({ stateFolder, env, signal: options.signal });
    try {
      return await opened;
    } catch (error) {
      opened = undefined; // installing podman must not need a restart of the server
      throw error;
    }
  }

  async function apply(objects: readonly KubeObject[], options: ApplyOptions): Promise<Applied> {
    const { engine, details } = await podman(options);
    const progress = options.onProgress ?? (() => {});
    for (const line of details.slice(1)) progress(line);
    const ports = await freePorts(countPorts(objects));
    const { pods, notes } = translate(objects, {
      ...owner,
      suffix: randomBytes(4).toString('hex'),
      folderOf: (pod, volume) => join(podsFolder, pod, 'volumes', volume),
      freePort: () => ports.pop() ?? 0,
    });
    for (const note of notes) progress(note);
    if (pods.length === 0) throw new WaybillError('INVALID_INPUT', 'the manifests hold nothing that runs: no Pod and no Deployment');
    await pullImages(engine, pods, stateFolder, options);
    const started: LocalPod[] = [];
    try {
      for (const pod of pods) {
        started.push(pod);
        await start(engine, pod, options);
        progress(`${pod.meta.workload} started as ${pod.id}`);
      }
    } catch (error) {
      await undo(
        engine,
        started.map((pod) => pod.id),
      );
      throw error;
    }
    return { workloads: pods.map((pod) => ({ ...pod.workload, id: pod.id })), services: [] };
  }

  async function start(engine: Engine, pod: LocalPod, options: ApplyOptions): Promise<void> {
    const folder = join(podsFolder, pod.id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const volume of pod.volumes) {
      const root = join(folder, 'volumes', volume.name);
      await mkdir(root, { recursive: true });
      for (const file of volume.files) {
        await mkdir(dirname(join(root, file.path)), { recursive: true });
        await writeFile(join(root, file.path), file.content, { mode: file.mode });
      }
    }
    const older = await olderPods(engine, pod.meta, [pod.id], options.signal);
    const fixed = pod.meta.ports.filter((port) => port.fixed);
    const stopped = fixed.length > 0 ? older.map((found) => found.name) : [];
    if (stopped.length > 0) {
      options.onProgress?.(
        `${pod.meta.workload} asks for port ${fixed.map((port) => port.hostPort).join(', ')}: what ran before stops first`,
      );
      await engine.run(['pod', 'stop', '--time', '10', ...stopped], { signal: options.signal });
    }
    await writeFile(join(folder, 'pod.json'), JSON.stringify({ meta: pod.meta, stopped } satisfies PodFile), { mode: 0o600 });
    await engine.run(['kube', 'play', '--build=false', '-'], { signal: options.signal, input: JSON.stringify(pod.manifest) });
  }

  async function waitReady(applied: Applied, options: WaitOptions): Promise<Readiness> {
    const { engine } = await podman(options);
    const end = performance.now() + options.timeoutMs;
    const metas = new Map<string, PodMeta>();
    for (const { id } of applied.workloads) metas.set(id, (await readPodFile(id)).meta);
    const ids = [...metas.keys()];
    try {
      for (const [id, meta] of metas) {
        const why = await waitForPod(engine, id, meta, end, options);
        if (why !== undefined) {
          await undo(engine, ids);
          return { ready: false, why };
        }
        options.onProgress?.(`${meta.workload} is ready`);
      }
    } catch (error) {
      await undo(engine, ids);
      throw error;
    }
    for (const meta of metas.values())
      for (const old of await olderPods(engine, meta, ids, undefined)) {
        // The new release serves; an old pod that the engine cannot take down must not make it a failure.
        const left = await discard(engine, old.name, 10).catch((error: unknown) => messageOf(error));
        options.onProgress?.(
          `${meta.workload}: ${old.name}, which ran before, ${left === undefined ? 'is removed' : `could not be removed (podman pod rm -f ${old.name}): ${left}`}`,
        );
      }
    return { ready: true, endpoints: [...metas].flatMap(([id, meta]) => localEndpoints(id, meta)) };
  }

  /** Removes pods that did not become ready; what had to stop for them starts again. */
  async function undo(engine: Engine, ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const stopped = await stoppedFor(id);
      await discard(engine, id, 1);
      if (stopped.length > 0) await engine.run(['pod', 'start', ...stopped]);
    }
  }

  async function stoppedFor(id: string): Promise<readonly string[]> {
    try {
      return (await readPodFile(id)).stopped;
    } catch (error) {
      if (isWaybillError(error, 'NOT_FOUND')) return []; // it failed before anything had to stop
      throw error;
    }
  }

  async function discard(engine: Engine, id: string, graceSeconds: number): Promise<void> {
    await removePod(engine, id, graceSeconds);
    await rm(join(podsFolder, id), { recursive: true, force: true });
  }

  async function readPodFile(id: string): Promise<PodFile> {
    try {
      return JSON.parse(await readFile(join(podsFolder, id, 'pod.json'), 'utf8')) as PodFile;
    } catch (cause) {
      throw new WaybillError('NOT_FOUND', `nothing is known of the pod ${id}: it was removed, or never started here`, { cause });
    }
  }

  async function olderPods(engine: Engine, meta: PodMeta, except: readonly string[], signal: AbortSignal | undefined): Promise<FoundPod[]> {
    const pods = await listPods(engine, owner, { signal });
    return pods.filter(
      (pod) =>
        pod.labels[workloadLabel] === meta.workload && pod.labels[repositoryAnnotation] === meta.repository && !except.includes(pod.name),
    );
  }

  return {
    kind: 'local',
    async preflight(options) {
      try {
        return { ok: true, details: (await podman(options)).details };
      } catch (error) {
        if (!isWaybillError(error, 'MISSING_PROGRAM', 'ENGINE_FAILED', 'DEADLINE_EXCEEDED')) throw error;
        return { ok: false, reason: `${messageOf(error)}. ${error.fix}` };
      }
    },
    apply,
    waitReady,
    async running({ signal, repository }) {
      const { engine } = await podman({ signal });
      const found: RunningContainer[] = [];
      for (const pod of await listPods(engine, owner, { signal })) {
        if (repository !== undefined && pod.labels[repositoryAnnotation] !== repository) continue;
        const names = (pod.labels[containersLabel] ?? '').split(',').map((name) => `${pod.name}-${name}`);
        const present = names.filter((name) => pod.containers.includes(name));
        for (const container of await inspectContainers(engine, present, { signal }))
          if (container.status === 'running') found.push(describe(pod, container));
      }
      return found;
    },
    // Each pull has an authfile of its own, with what was minted for it.
    renewPullSecret: async () => undefined,
    hasPullSecret: async () => true,
    async remove({ signal, repository }) {
      const { engine } = await podman({ signal });
      const removed: string[] = [];
      for (const pod of await listPods(engine, owner, { signal })) {
        if (repository !== undefined && pod.labels[repositoryAnnotation] !== repository) continue;
        await discard(engine, pod.name, 10);
        removed.push(pod.labels[workloadLabel] ?? pod.name);
      }
      return removed;
    },
    async [Symbol.asyncDispose]() {},
  };
}

type PodFile = { readonly meta: PodMeta; /** Older pods that had to stop first. */ readonly stopped: readonly string[] };

function describe(pod: FoundPod, container: { name: string; image: string; imageDigest: string }): RunningContainer {
  const run = Number(pod.labels[runAnnotation]);
  const digest = digestIn(container.image) ?? digestIn(container.imageDigest);
  return {
    workload: pod.labels[workloadLabel] ?? '',
    pod: pod.name,
    container: container.name.startsWith(`${pod.name}-`) ? container.name.slice(pod.name.length + 1) : container.name,
    image: container.image,
    ...(digest !== undefined && { digest }),
    ...(pod.labels[repositoryAnnotation] && { repository: pod.labels[repositoryAnnotation] }),
    ...(pod.labels[runAnnotation] && Number.isSafeInteger(run) && { run }),
    ...(pod.labels[commitAnnotation] && { commit: pod.labels[commitAnnotation] }),
  };
}

/** At least as many as the pods may ask for: every port, and one for each probe. */
function countPorts(objects: readonly KubeObject[]): number {
  return objects
    .flatMap((object) => objectsAt(podSpecOf(object), 'containers'))
    .reduce((sum, container) => sum + objectsAt(container, 'ports').length + 1, 0);
}
