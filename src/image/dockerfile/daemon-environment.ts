import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a daemon is, and nothing else of the user's environment. */
export function daemonEnvironment(environment: Environment): Record<string, string> {
  const names = ['PATH', 'BUILDKIT_HOST', 'DOCKER_HOST', 'DOCKER_CERT_PATH', 'DOCKER_TLS_VERIFY', 'XDG_RUNTIME_DIR'];
  return Object.fromEntries(names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])));
}

/** The folder of docker's settings: contexts, plug-ins, and the logins that no build may see. Undefined when there is no home. */
export function dockerFolder(environment: Environment): string | undefined {
  return environment['DOCKER_CONFIG'] || (environment['HOME'] ? join(environment['HOME'], '.docker') : undefined);
}

/**
 * For the client of a daemon: a home and a file of logins of its own, both empty. A client hands the daemon whatever logins it finds.
 * @param plugins a folder in which docker finds `docker-buildx`, besides those of the system
 */
export async function clientEnvironment(work: string, environment: Environment, plugins?: string): Promise<Record<string, string>> {
  const docker = join(work, 'docker');
  await mkdir(docker, { recursive: true, mode: 0o700 });
  await mkdir(join(work, 'home'), { recursive: true, mode: 0o700 });
  const config = { auths: {}, ...(plugins === undefined ? {} : { cliPluginsExtraDirs: [plugins] }) };
  await writeFile(join(docker, 'config.json'), `${JSON.stringify(config)}\n`);
  return { ...daemonEnvironment(environment), HOME: join(work, 'home'), DOCKER_CONFIG: docker, TMPDIR: work, LC_ALL: 'C.UTF-8' };
}
