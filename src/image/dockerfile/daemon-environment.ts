import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a daemon is, and nothing else of the user's environment. */
export function daemonEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const names = ['PATH', 'BUILDKIT_HOST', 'DOCKER_HOST', 'DOCKER_CERT_PATH', 'DOCKER_TLS_VERIFY', 'XDG_RUNTIME_DIR'];
  return Object.fromEntries(names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])));
}

/** For the client of a daemon: a home and a file of logins of its own, both empty. A client hands the daemon whatever logins it finds. */
export async function clientEnvironment(
  work: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Record<string, string>> {
  const docker = join(work, 'docker');
  await mkdir(docker, { recursive: true, mode: 0o700 });
  await mkdir(join(work, 'home'), { recursive: true, mode: 0o700 });
  await writeFile(join(docker, 'config.json'), '{"auths":{}}\n');
  return { ...daemonEnvironment(environment), HOME: join(work, 'home'), DOCKER_CONFIG: docker, TMPDIR: work, LC_ALL: 'C.UTF-8' };
}
