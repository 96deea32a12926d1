import path from 'node:path';

/**
 * Files that may hold the user's logins at registries, in the order in which they count: what a variable names, podman's and buildah's
 * (containers-auth.json(5)), Docker's.
 */
export function registryLogins(environment: NodeJS.ProcessEnv): string[] {
  const home = environment['HOME'] ?? '.';
  const runtime = environment['XDG_RUNTIME_DIR'];
  const named = environment['REGISTRY_AUTH_FILE'];
  return [
    ...(named === undefined || named === '' ? [] : [named]),
    ...(runtime === undefined || runtime === '' ? [] : [path.join(runtime, 'containers', 'auth.json')]),
    path.join(environment['XDG_CONFIG_HOME'] ?? path.join(home, '.config'), 'containers', 'auth.json'),
    path.join(environment['DOCKER_CONFIG'] ?? path.join(home, '.docker'), 'config.json'),
  ];
}
