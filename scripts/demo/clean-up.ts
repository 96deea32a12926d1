import { execa } from 'execa';
import path from 'node:path';
import { openLocalTarget } from '../../src/deploy/local/target.ts';
import { connectCluster } from '../../src/kube/cluster.ts';
import type { Place } from './world.ts';

/** Removes what the demo deployed: the namespace of a cluster, or the pods on this host. */
export async function cleanUpPlace(place: Place, data: string): Promise<void> {
  if (place.kind === 'cluster') {
    using cluster = await connectCluster({ kubeconfig: place.kubeconfig });
    await cluster.delete({ apiVersion: 'v1', kind: 'Namespace', name: place.namespace });
    return;
  }
  const env = Object.fromEntries(
    ['PATH', 'HOME', 'XDG_RUNTIME_DIR', 'TMPDIR', 'USER'].flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name]]],
    ),
  );
  await using target = openLocalTarget({ environment: 'demo', stateFolder: path.join(data, 'work', 'local', 'demo'), env });
  try {
    const running = await target.running({ signal: AbortSignal.timeout(60_000) });
    await target.remove({ signal: AbortSignal.timeout(60_000) });
    const images = [...new Set(running.map((container) => container.image))];
    if (images.length > 0) await execa('podman', ['rmi', '--force', ...images], { reject: false, timeout: 60_000 });
  } catch (error) {
    process.stderr.write(
      `What was deployed to this host could not be removed: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  }
}
