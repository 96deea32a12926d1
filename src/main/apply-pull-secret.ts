import type { Processes } from '../cli/context.ts';
import { Secret } from '../kernel/secret.ts';
import { connectCluster } from '../kube/cluster.ts';

/** @throws WaybillError CLUSTER_FAILED, INVALID_INPUT for a kubeconfig that cannot be read */
export async function applyPullSecret({ kubeconfig, secret, signal }: Parameters<Processes['applyPullSecret']>[0]): Promise<void> {
  using cluster = await connectCluster({ kubeconfig: new Secret(kubeconfig) });
  const { name, namespace } = secret.metadata;
  const object = { ...secret, data: { ...secret.data }, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } };
  await cluster.serverSideApply(object, { fieldManager: 'waybill', force: true, signal });
}
