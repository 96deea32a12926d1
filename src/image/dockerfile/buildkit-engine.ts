import { hexOf } from '../../kernel/digest.ts';
import { WaybillError } from '../../kernel/error.ts';
import { clientEnvironment } from './daemon-environment.ts';
import type { DockerfileEngine, EngineBuild } from './engine.ts';
import { plainProgress } from './plain-progress.ts';
import { runEngine } from './run-engine.ts';

/**
 * BuildKit through `buildctl` (moby/buildkit, docs/reference/buildctl.md and docs/build-repro.md). The daemon is somebody else's process: what
 * separates RUN from its host is the daemon's own affair, and so a server of ours signs nothing that it built.
 */
export function buildkitEngine(options: {
  readonly version: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}): DockerfileEngine {
  return {
    name: 'buildkit',
    version: options.version,
    confined: false,
    rewritesTimes: true,
    isolation: 'each RUN is a container of the BuildKit daemon; Waybill cannot see what that daemon shares with it',
    async build(request) {
      requireNone(request, 'BuildKit');
      const env = await clientEnvironment(request.work, options.environment);
      await runEngine(buildctlCommand(request), {
        env,
        cwd: request.work,
        signal: request.signal,
        onLine: (line) => request.onLine(plainProgress(line)),
      });
    },
  };
}

/** `filtered` would be the daemon's own network, which no filter of ours stands in. */
export function requireNone(request: EngineBuild, name: string): void {
  if (request.network === 'filtered')
    throw new WaybillError('UNSUPPORTED', `${name} cannot be given a filtered network`, {
      fix: 'Build with buildah or podman as root, or without `network`.',
    });
}

export function buildctlCommand(request: EngineBuild): string[] {
  const { platform } = request;
  const epoch = String(Math.floor(request.time.getTime() / 1000));
  const options: Readonly<Record<string, string>> = {
    filename: 'Dockerfile',
    platform: `${platform.os}/${platform.architecture}`,
    'force-network-mode': 'none',
    ...(request.target === undefined ? {} : { target: request.target }),
    // BuildKit dates an image by this argument; it is the files' time here, the commit's is written afterwards.
    'build-arg:SOURCE_DATE_EPOCH': epoch,
    ...Object.fromEntries(Object.entries(request.args).map(([key, value]) => [`build-arg:${key}`, value])),
    ...Object.fromEntries(request.bases.map(({ name, digest }) => [`context:${name}`, `oci-layout://${storeOf(digest)}@${digest}`])),
  };
  return [
    ['buildctl', 'build', '--progress', 'plain', '--no-cache', '--frontend', 'dockerfile.v0'],
    ['--local', `context=${request.context}`, '--local', `dockerfile=${request.dockerfile}`],
    Object.entries(options).flatMap(([key, value]) => ['--opt', `${key}=${value}`]),
    request.bases.flatMap(({ digest, layout }) => ['--oci-layout', `${storeOf(digest)}=${layout}`]),
    request.secrets.flatMap(({ id, file }) => ['--secret', `id=${id},src=${file}`]),
    [
      '--output',
      `type=oci,tar=false,dest=${request.out},compression=uncompressed,force-compression=true,oci-mediatypes=true,rewrite-timestamp=true`,
    ],
  ].flat();
}

function storeOf(digest: EngineBuild['bases'][number]['digest']): string {
  return `waybill-base-${hexOf(digest).slice(0, 32)}`;
}
