import path from 'node:path';
import { openClusterTarget } from '../deploy/cluster/target.ts';
import type { Environment, Environments } from '../deploy/environment.ts';
import { openLocalTarget } from '../deploy/local/target.ts';
import type { Target } from '../deploy/port.ts';
import { connectCluster } from '../kube/cluster.ts';

/** What podman may see of our environment. */
const shown = ['PATH', 'HOME', 'XDG_RUNTIME_DIR', 'CONTAINERS_CONF', 'CONTAINERS_STORAGE_CONF', 'TMPDIR', 'USER'];

/** Opens the target of an environment. That of this host is kept, because probing podman takes a second. */
export function openTargets(options: {
  environments: Environments;
  folder: string;
  environment: NodeJS.ProcessEnv;
}): (environment: Environment) => Promise<Target> {
  const local = new Map<string, Target>();
  const env = Object.fromEntries(
    shown.flatMap((name) => (options.environment[name] === undefined ? [] : [[name, options.environment[name]]])),
  );
  return async (environment) => {
    if (environment.kind === 'cluster') {
      return openClusterTarget(
        await connectCluster({ kubeconfig: await options.environments.kubeconfig(environment.name) }),
        environment.namespace,
        environment.pullSecretOn,
      );
    }
    const known =
      local.get(environment.name) ??
      openLocalTarget({ environment: environment.name, stateFolder: path.join(options.folder, environment.name), env });
    local.set(environment.name, known);
    return { ...known, [Symbol.asyncDispose]: async () => undefined };
  };
}
