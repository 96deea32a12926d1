import { mkdir, writeFile } from 'node:fs/promises';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import { engine, type Engine } from './engine.ts';
import { pauseImage, pauseTar } from './pause-image.ts';

export type Podman = { readonly engine: Engine; readonly details: readonly string[] };

export type PodmanOptions = {
  /** A folder of Waybill's own, mode 0700. */
  readonly stateFolder: string;
  /** PATH, HOME, XDG_RUNTIME_DIR and whatever else podman needs to see. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Finds a podman that can start a pod here. Its own configuration is tried first; machines without catatonit, with a crun
 * that refuses their cgroups, or where root may not raise limits get a `containers.conf` in our own folder.
 * @throws WaybillError MISSING_PROGRAM, ENGINE_FAILED with what podman said both times
 */
export async function openPodman({ stateFolder, env, signal }: PodmanOptions): Promise<Podman> {
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  const plain = engine('podman', env, stateFolder);
  const version = await podmanVersion(plain, env, stateFolder, signal);
  const tar = await pauseTar(process.arch);
  if (tar !== undefined) await importPause(plain, tar, signal);
  const probe = tar === undefined ? undefined : pauseImage;
  const file = join(stateFolder, 'containers.conf');
  const configured = engine('podman', { ...env, CONTAINERS_CONF: file }, stateFolder);
  if (probe === undefined) return { engine: plain, details: [`podman ${version}`] };
  const explained = `podman's own configuration started no pod here; ${file} does`;
  if (existsSync(file) && (await starts(configured, probe, signal)))
    return { engine: configured, details: [`podman ${version}`, explained] };
  try {
    await tryPod(plain, probe, signal);
    return { engine: plain, details: [`podman ${version}`] };
  } catch (first) {
    if (!isWaybillError(first, 'ENGINE_FAILED')) throw first;
    await writeFile(file, configuration(env), { mode: 0o600 });
    try {
      await tryPod(configured, probe, signal);
    } catch (second) {
      if (!isWaybillError(second, 'ENGINE_FAILED')) throw second;
      throw new WaybillError(
        'ENGINE_FAILED',
        `no pod can be started on this host: ${second.detail} (with podman's own configuration: ${first.detail})`,
        {
          cause: second,
        },
      );
    }
    return {
      engine: configured,
      details: [`podman ${version}`, `podman's own configuration starts no pod here (${lastLine(first.detail)}); ${file} does`],
    };
  }
}

async function starts(podman: Engine, image: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await tryPod(podman, image, signal);
    return true;
  } catch (error) {
    if (isWaybillError(error, 'ENGINE_FAILED')) return false; // the host has changed: look again from the beginning
    throw error;
  }
}

async function podmanVersion(
  podman: Engine,
  env: Readonly<Record<string, string>>,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  try {
    return await podman.run(['version', '--format', '{{.Client.Version}}'], { signal });
  } catch (error) {
    if (!isWaybillError(error, 'MISSING_PROGRAM')) throw error;
    const docker = await dockerVersion(env, folder, signal);
    throw new WaybillError(
      'MISSING_PROGRAM',
      docker === undefined
        ? 'the environment local needs podman (4.3 or newer), which is not installed'
        : `the environment local needs podman (4.3 or newer); the docker ${docker} of this host cannot run pods`,
      { cause: error, fix: 'Install podman (`apt install podman`), or deploy to a cluster.' },
    );
  }
}

async function dockerVersion(
  env: Readonly<Record<string, string>>,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    return await engine('docker', env, folder).run(['version', '--format', '{{.Server.Version}}'], { signal, timeoutMs: 5000 });
  } catch (error) {
    if (isWaybillError(error, 'MISSING_PROGRAM', 'ENGINE_FAILED', 'DEADLINE_EXCEEDED')) return undefined;
    throw error;
  }
}

async function importPause(podman: Engine, tar: Buffer, signal: AbortSignal | undefined): Promise<void> {
  try {
    await podman.run(['image', 'exists', pauseImage], { signal });
  } catch (error) {
    if (!isWaybillError(error, 'ENGINE_FAILED')) throw error;
    await podman.run(['import', '--change', 'CMD ["/pause"]', '--change', 'STOPSIGNAL SIGKILL', '-', pauseImage], { signal, input: tar });
  }
}

/** Starts a pod that does nothing and removes it, which finds out what no version number tells. */
async function tryPod(podman: Engine, image: string, signal: AbortSignal | undefined): Promise<void> {
  const name = `waybill-probe-${process.pid}-${Math.random().toString(36).slice(2, 10)}`;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { restartPolicy: 'Never', containers: [{ name: 'probe', image, imagePullPolicy: 'Never' }] },
  };
  try {
    // podman 4.3 exits with 0 when a container of the pod did not start.
    await podman.run(['kube', 'play', '--build=false', '-'], { signal, input: JSON.stringify(pod) });
    const state = await podman.run(['inspect', '--type', 'container', '--format', '{{.State.Status}} {{.State.Error}}', `${name}-probe`], {
      signal,
    });
    if (!state.startsWith('running')) throw new WaybillError('ENGINE_FAILED', `podman kube play: the container is ${state.trim()}`);
    // podman 4.3 takes seconds to remove a pod that it started a moment ago.
    await sleep(700, undefined, signal ? { signal } : {});
  } finally {
    await removePod(podman, name, 0);
  }
}

/** Never cancelled: this is the cleaning up. @param graceSeconds between the polite signal and the end */
export async function removePod(podman: Engine, name: string, graceSeconds: number): Promise<void> {
  try {
    await podman.run(['pod', 'rm', '--force', '--ignore', '--time', String(graceSeconds), name]);
  } catch (error) {
    if (isWaybillError(error, 'ENGINE_FAILED') && /no such pod/.test(error.detail)) return;
    throw new WaybillError('ENGINE_FAILED', `the pod ${name} cannot be removed: ${messageOf(error)}`, { cause: error });
  }
}

function configuration(env: Readonly<Record<string, string>>): string {
  const runc = hasProgram('runc', env['PATH'] ?? '');
  return [
    '# Written by Waybill: podman could start no pod with its own configuration.',
    '[engine]',
    `infra_image = "${pauseImage}"`,
    ...(runc ? ['runtime = "runc"'] : []),
    'cgroup_manager = "cgroupfs"',
    'events_logger = "file"',
    '[containers]',
    'log_driver = "k8s-file"',
    'default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]',
    '',
  ].join('\n');
}

function hasProgram(name: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false; // not in this folder of the path
    }
  });
}

function lastLine(text: string): string {
  return text.split('\n').at(-1) ?? text;
}
