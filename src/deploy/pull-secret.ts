import type { Secret } from '../kernel/secret.ts';
import type { KubeObject } from '../kube/object.ts';
import { dockerConfig, dockerHub } from '../oci/docker-config.ts';
import { managedBy, managedByLabel } from './manifests/stamp.ts';

/** With which the nodes of an environment may pull, and nothing else. `registry` is host and port, as in image references. */
export type PullCredential = { readonly registry: string; readonly username: string; readonly password: Secret };

/** One for each registry that the images of an environment come from. */
export type PullSecret = readonly PullCredential[];

export const pullSecretName = 'waybill-pull';

/** The Secret (`kubernetes.io/dockerconfigjson`) that `imagePullSecrets` names. Holds the passwords in plain: apply it, never print it. */
export function pullSecretObject(secret: PullSecret, namespace: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: pullSecretName, namespace, labels: { [managedByLabel]: managedBy } },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(loginsOf(secret)).toString('base64') },
  };
}

/** For podman's authfile, which has the same form. Docker Hub has a name of its own there, which kubelets and podman know. */
export function loginsOf(secret: PullSecret): string {
  return dockerConfig(
    secret.map(({ registry, username, password }) => ({
      server: registry === 'docker.io' ? dockerHub : registry,
      username,
      password,
    })),
  );
}
