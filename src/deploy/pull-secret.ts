import type { Secret } from '../kernel/secret.ts';
import type { KubeObject } from '../kube/object.ts';
import { dockerConfig } from '../oci/docker-config.ts';
import { managedBy, managedByLabel } from './manifests/stamp.ts';

/** With which the nodes of an environment may pull, and nothing else. `registry` is host and port, as in image references. */
export type PullCredential = { readonly registry: string; readonly username: string; readonly password: Secret };

export const pullSecretName = 'waybill-pull';

/** The Secret (`kubernetes.io/dockerconfigjson`) that `imagePullSecrets` names. Holds the password in plain: apply it, never print it. */
export function pullSecretObject(credential: PullCredential, namespace: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: pullSecretName, namespace, labels: { [managedByLabel]: managedBy } },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(loginOf(credential)).toString('base64') },
  };
}

/** For podman's authfile, which has the same form. */
export function loginOf({ registry, username, password }: PullCredential): string {
  return dockerConfig([{ server: registry, username, password }]);
}
