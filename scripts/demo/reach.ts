import { connectCluster } from '../../src/kube/cluster.ts';
import type { Stage } from './world.ts';

/** GET / of what was deployed: over loopback on this host, through the API server's proxy in a cluster. */
export async function reach(stage: Stage, endpoint: string): Promise<string> {
  if (stage.place.kind === 'local') {
    const response = await fetch(endpoint, { signal: AbortSignal.any([stage.signal, AbortSignal.timeout(10_000)]) });
    return (await response.text()).trim();
  }
  const { kubeconfig, namespace } = stage.place;
  using cluster = await connectCluster({ kubeconfig });
  const found = /^(?:service)\/([\w.-]+):(\d+)$/.exec(endpoint) ?? [];
  const reply = await cluster.proxyGet({ namespace, type: 'services', name: found[1] ?? 'shop', port: Number(found[2] ?? 80) }, '/', {
    signal: stage.signal,
  });
  return reply.body.toString('utf8').trim();
}
