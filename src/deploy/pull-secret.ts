import type { Secret } from '../kernel/secret.ts';
import type { KubeObject } from '../kube/object.ts';
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
    data: { '.dockerconfigjson': Buffer.from(dockerConfig(credential)).toString('base64') },
  };
}

/** The content of a Docker `config.json` with one login; podman's authfile has the same form. */
export function dockerConfig(credential: PullCredential): string {
  const password = credential.password.reveal();
  const auth = Buffer.from(`${credential.username}:${password}`).toString('base64');
  return JSON.stringify({ auths: { [credential.registry]: { username: credential.username, password, auth } } });
}
