import { requireNone } from './buildkit-engine.ts';
import { clientEnvironment } from './daemon-environment.ts';
import type { DockerfileEngine, EngineBuild } from './engine.ts';
import { plainProgress } from './plain-progress.ts';
import { runEngine } from './run-engine.ts';

/**
 * docker through `docker buildx build` (docs.docker.com/reference/cli/docker/buildx/build). Writing an OCI layout needs Docker's containerd
 * image store or another builder than the default one; docker says so itself.
 */
export function dockerEngine(options: {
  readonly version: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where docker finds its plug-ins besides the system's folders. */
  readonly plugins?: string;
}): DockerfileEngine {
  return {
    name: 'docker',
    version: options.version,
    confined: false,
    rewritesTimes: true,
    isolation: 'each RUN is a container of the Docker daemon; Waybill cannot see what that daemon shares with it',
    async build(request) {
      requireNone(request, 'docker');
      const env = {
        ...(await clientEnvironment(request.work, options.environment, options.plugins)),
        SOURCE_DATE_EPOCH: String(Math.floor(request.time.getTime() / 1000)),
      };
      await runEngine(dockerCommand(request), {
        env,
        cwd: request.work,
        signal: request.signal,
        onLine: (line) => request.onLine(plainProgress(line)),
      });
    },
  };
}

export function dockerCommand(request: EngineBuild): string[] {
  const { platform } = request;
  return [
    [
      'docker',
      'buildx',
      'build',
      '--progress',
      'plain',
      '--no-cache',
      '--pull=false',
      '--network',
      'none',
      '--provenance=false',
      '--sbom=false',
    ],
    ['--file', `${request.dockerfile}/Dockerfile`, '--platform', `${platform.os}/${platform.architecture}`],
    request.target === undefined ? [] : ['--target', request.target],
    Object.entries(request.args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
    request.bases.flatMap(({ name, layout, digest }) => ['--build-context', `${name}=oci-layout://${layout}@${digest}`]),
    request.secrets.flatMap(({ id, file }) => ['--secret', `id=${id},src=${file}`]),
    [
      '--output',
      `type=oci,tar=false,dest=${request.out},compression=uncompressed,force-compression=true,oci-mediatypes=true,rewrite-timestamp=true`,
    ],
    [request.context],
  ].flat();
}
