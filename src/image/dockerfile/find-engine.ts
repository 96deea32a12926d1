import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { WaybillError } from '../../kernel/error.ts';
import { buildkitEngine } from './buildkit-engine.ts';
import { canConfine } from './confine.ts';
import { containersEngine } from './containers-engine.ts';
import { daemonEnvironment, dockerFolder } from './daemon-environment.ts';
import { dockerEngine } from './docker-engine.ts';
import { engineNames, type DockerfileEngine, type EngineName } from './engine.ts';

export type EngineOptions = {
  /** Of this process; engines see a few variables of it, none that holds a login. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Only this one. */
  readonly wanted?: EngineName;
  /** Only one that can be put behind a wall: what a server signs for. */
  readonly confinedOnly: boolean;
  openNetwork(signal: AbortSignal): Promise<AsyncDisposable & { readonly enter: readonly string[] }>;
  readonly signal: AbortSignal;
};

const probeMs = 10_000;

/**
 * The first engine that answers: buildah, podman, then BuildKit and docker, whose daemons nothing of ours stands in front of.
 * @throws WaybillError MISSING_PROGRAM with what every one of them said
 */
export async function findEngine(options: EngineOptions): Promise<DockerfileEngine> {
  const { answers, refusals } = await findEngines(options);
  const [engine] = answers;
  if (engine) return engine;
  throw new WaybillError(
    'MISSING_PROGRAM',
    `no program that builds Dockerfiles answers${options.confinedOnly ? ' and can be confined' : ''}: ${refusals.join('; ')}`,
    {
      fix: 'Install buildah and bubblewrap (`apt install buildah bubblewrap runc`).',
    },
  );
}

/** All that answer, in the order of their rank, and why the others do not. */
export async function findEngines(options: EngineOptions): Promise<{ answers: DockerfileEngine[]; refusals: string[] }> {
  const answers: DockerfileEngine[] = [];
  const refusals: string[] = [];
  for (const name of engineNames) {
    if (options.wanted !== undefined && options.wanted !== name) continue;
    const engine = await probe(name, options);
    if (typeof engine === 'string') refusals.push(`${name}: ${engine}`);
    else if (options.confinedOnly && !engine.confined)
      refusals.push(`${name}: it cannot be confined here (that needs root, bubblewrap, and buildah or podman)`);
    else answers.push(engine);
  }
  return { answers, refusals };
}

async function probe(name: EngineName, options: EngineOptions): Promise<DockerfileEngine | string> {
  const { environment } = options;
  switch (name) {
    case 'buildah':
    case 'podman': {
      const said = await ask(name, ['--version'], options);
      if (!said.ok) return said.why;
      const version = /(\d+\.\d+\.\d+\S*)/.exec(said.text)?.[1] ?? 'unknown';
      const bwrap = programPath('bwrap', environment['PATH'] ?? '');
      return containersEngine({
        name,
        version,
        bwrap: canConfine(bwrap) ? bwrap : undefined,
        openNetwork: (signal) => options.openNetwork(signal),
        environment,
      });
    }
    case 'buildkit': {
      const said = await ask('buildctl', ['debug', 'workers'], options);
      if (!said.ok) return said.why;
      const version = await ask('buildctl', ['--version'], options);
      return buildkitEngine({ version: version.ok ? (/v?(\d+\.\d+\S*)/.exec(version.text)?.[1] ?? 'unknown') : 'unknown', environment });
    }
    case 'docker':
      return await probeDocker(options);
  }
}

/** Docker may be told where its daemon is by a context of the user's, and have its buildx in the user's folder. The build sees neither. */
async function probeDocker(options: EngineOptions): Promise<DockerfileEngine | string> {
  const folder = dockerFolder(options.environment);
  const own = {
    ...(folder === undefined ? {} : { DOCKER_CONFIG: folder }),
    ...(options.environment['DOCKER_CONTEXT'] ? { DOCKER_CONTEXT: options.environment['DOCKER_CONTEXT'] } : {}),
  };
  const said = await ask('docker', ['version', '--format', '{{.Server.Version}}'], options, own);
  if (!said.ok) return said.why;
  const buildx = await ask('docker', ['buildx', 'version'], options, own);
  if (!buildx.ok) return `it has no buildx (${buildx.why})`;
  const store = await ask('docker', ['info', '--format', '{{json .DriverStatus}}'], options, own);
  if (!store.ok) return store.why;
  if (!store.text.includes('io.containerd.snapshotter'))
    return 'it has no containerd image store, without which it writes no OCI layout ("features": {"containerd-snapshotter": true} in daemon.json)';
  const context = await ask('docker', ['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}'], options, own);
  const host = options.environment['DOCKER_HOST'] || (context.ok ? context.text : '');
  return dockerEngine({
    version: said.text,
    environment: { ...options.environment, ...(host === '' ? {} : { DOCKER_HOST: host }) },
    ...(folder === undefined ? {} : { plugins: join(folder, 'cli-plugins') }),
  });
}

type Said = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly why: string };

async function ask(program: string, args: readonly string[], options: EngineOptions, more: Record<string, string> = {}): Promise<Said> {
  const { environment, signal } = options;
  const result = await execa(program, args, {
    env: { ...daemonEnvironment(environment), ...more },
    extendEnv: false,
    cancelSignal: signal,
    timeout: probeMs,
    stdin: 'ignore',
    reject: false,
    maxBuffer: 1024 * 1024,
  });
  signal.throwIfAborted();
  if (result.code === 'ENOENT') return { ok: false, why: 'not installed' };
  if (result.failed)
    return { ok: false, why: (result.stderr.trim().split('\n').at(-1) || result.shortMessage || 'it failed').slice(0, 200) };
  return { ok: true, text: result.stdout.trim() };
}

function programPath(name: string, searchPath: string): string | undefined {
  for (const folder of [...searchPath.split(delimiter), '/usr/bin', '/usr/local/bin', '/bin']) {
    try {
      const file = join(folder, name);
      if (folder.startsWith('/')) accessSync(file, constants.X_OK);
      else continue;
      return file;
    } catch {
      continue;
    }
  }
  return undefined;
}
