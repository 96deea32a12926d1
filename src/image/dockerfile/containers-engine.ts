import { relative, join } from 'node:path';
import { WaybillError } from '../../kernel/error.ts';
import { confine, unconfined, type Wall } from './confine.ts';
import type { DockerfileEngine, EngineBuild } from './engine.ts';
import { runEngine } from './run-engine.ts';

export type ContainersOptions = {
  readonly name: 'buildah' | 'podman';
  readonly version: string;
  /** Path of bubblewrap, when the engine can be put behind a wall. */
  readonly bwrap: string | undefined;
  /** Joins a filtered network. @throws WaybillError when there is none here */
  openNetwork(signal: AbortSignal): Promise<AsyncDisposable & { readonly enter: readonly string[] }>;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

const tag = 'localhost/waybill-build:latest';

/**
 * buildah, and podman, whose builds are buildah's: one storage of their own for each build, in its folder, so that nothing is left of it and
 * nothing of another build is found. RUN is a container of runc or crun without any capability that is not usual.
 */
export function containersEngine(options: ContainersOptions): DockerfileEngine {
  const { name, version, bwrap } = options;
  return {
    name,
    version,
    confined: bwrap !== undefined,
    rewritesTimes: true,
    isolation:
      bwrap === undefined
        ? `each RUN is a container (${name}, in a user namespace of your own); ${name} itself runs with your rights`
        : `each RUN is a container, and ${name} itself sees nothing of this host but its programs and the folder of the build`,
    async build(request) {
      await using stack = new AsyncDisposableStack();
      if (request.network === 'filtered' && bwrap === undefined)
        throw new WaybillError('UNSUPPORTED', `a filtered network cannot be given to ${name} here: that needs root and bubblewrap`, {
          fix: 'Build without `network`, or as root.',
        });
      const network = request.network === 'filtered' ? stack.use(await options.openNetwork(request.signal)) : undefined;
      const wall =
        bwrap === undefined ? await unconfined(request.work, options.environment) : await confine(bwrap, request.work, network?.enter);
      if (bwrap === undefined) stack.defer(() => removeStorage(name, wall, request.work));
      await buildWith(name, wall, request);
    },
  };
}

async function buildWith(name: 'buildah' | 'podman', wall: Wall, request: EngineBuild): Promise<void> {
  const { work, signal, onLine } = request;
  const seen = (path: string) => join(wall.folder, relative(work, path));
  // Short paths: podman refuses a runroot of more than 50 characters or so, for the sake of its sockets.
  const storage = [name, '--root', seen(join(work, 's')), '--runroot', seen(join(work, 'r'))];
  const run = (args: readonly string[], lines?: (line: string) => void) =>
    runEngine([...wall.lead, ...storage, ...args], { env: wall.env, cwd: work, signal, ...(lines && { onLine: lines }) });
  for (const base of request.bases) {
    const id = await run(['pull', '--quiet', `oci:${seen(base.layout)}`]);
    await run(['tag', id.split('\n').at(-1) ?? '', base.name]);
  }
  await run(['build', ...buildArguments(request, seen)], onLine);
  const out = seen(request.out);
  await run(
    name === 'buildah'
      ? ['push', '--quiet', '--disable-compression', tag, `oci:${out}`]
      : ['save', '--quiet', '--format', 'oci-dir', '--uncompressed', '--output', out, tag],
  );
}

/** The same for both, as buildah-build(1) and podman-build(1) have them. */
function buildArguments(request: EngineBuild, seen: (path: string) => string): string[] {
  const { platform, network } = request;
  return [
    ['--file', seen(join(request.dockerfile, 'Dockerfile')), '--format', 'oci', '--isolation', 'oci', '--tag', tag],
    ['--layers=true', '--no-cache', '--pull=never', '--force-rm', '--http-proxy=false', '--identity-label=false'],
    // `host` is the network that the engine itself is in: the filtered one.
    [
      '--cgroupns',
      'private',
      '--network',
      network === 'none' ? 'none' : 'host',
      '--timestamp',
      String(Math.floor(request.time.getTime() / 1000)),
    ],
    ['--os', platform.os, '--arch', platform.architecture],
    request.ignoreFile ? ['--ignorefile', seen(join(request.dockerfile, 'Dockerfile.dockerignore'))] : [],
    request.target === undefined ? [] : ['--target', request.target],
    Object.entries(request.args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
    request.secrets.flatMap(({ id, file }) => ['--secret', `id=${id},src=${seen(file)}`]),
    [seen(request.context)],
  ].flat();
}

/** Files of other ids of the user's namespace can be removed from within it alone. */
async function removeStorage(name: 'buildah' | 'podman', wall: Wall, work: string): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  await runEngine([name, 'unshare', 'rm', '-rf', join(work, 's'), join(work, 'r')], { env: wall.env, cwd: work, signal });
}
