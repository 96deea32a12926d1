import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectCluster, type Cluster } from '../src/kube/cluster.ts';

export type TestCluster = {
  /** Path of an administrator's kubeconfig. */
  readonly kubeconfig: string;
  readonly cluster: Cluster;
  /** True when pods really start. */
  readonly node: boolean;
  /** Puts an image (docker or OCI archive) into the node; undefined when the cluster is not ours. */
  readonly importImage?: (tar: string) => Promise<void>;
};

const scripts = fileURLToPath(new URL('../../shared/cluster', import.meta.url));
const state = join(tmpdir(), 'waybill-test-cluster');

let entered: Promise<string> | undefined;
const mark = join(state, `user-${process.pid}`);

// After every test of this process, and so after their own cleaning up.
after(async () => {
  if (existsSync(mark)) await leave();
});

/**
 * A real cluster for one test: the one of KUBECONFIG, else a local one that is started, shared by all test processes and
 * stopped by the last that leaves. Without either the test is skipped, loudly; callers return when it is undefined.
 */
export async function useCluster(t: TestContext): Promise<TestCluster | undefined> {
  const given = process.env['KUBECONFIG'];
  const local = given === undefined && existsSync(join(scripts, 'up'));
  if (given === undefined && !local) {
    console.warn(`SKIPPED: ${t.name}: no cluster (set KUBECONFIG)`);
    t.skip('no cluster: set KUBECONFIG');
    return undefined;
  }
  entered ??= given === undefined ? enter() : Promise.resolve(given);
  const kubeconfig = await entered;
  const cluster = await connectCluster({ kubeconfig });
  t.after(() => cluster[Symbol.dispose]());
  const nodes = await cluster.list({ apiVersion: 'v1', kind: 'Node' }, {});
  const socket = join(process.env['KUBE_RUN'] ?? '/tmp/kube', 'containerd/containerd.sock');
  return {
    kubeconfig,
    cluster,
    node: nodes.length > 0,
    ...(existsSync(socket) && {
      importImage: async (tar: string) => {
        await execa('ctr', ['-a', socket, '-n', 'k8s.io', 'images', 'import', tar], { timeout: 60_000 });
      },
    }),
  };
}

/** A namespace of its own, deleted after the test, in which pods can be created at once. */
export async function useNamespace(t: TestContext, cluster: Cluster): Promise<string> {
  const name = `waybill-test-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, undefined);
  t.after(() => cluster.delete({ apiVersion: 'v1', kind: 'Namespace', name }));
  for (let tries = 0; tries < 100; tries++) {
    if (await cluster.get({ apiVersion: 'v1', kind: 'ServiceAccount', name: 'default', namespace: name })) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return name;
}

/** Starts the cluster if nobody has, and counts this process among its users. */
async function enter(): Promise<string> {
  await mkdir(state, { recursive: true });
  return await locked(async () => {
    const wasUp = existsSync(join(process.env['KUBE_RUN'] ?? '/tmp/kube', 'ready'));
    if (!wasUp) await writeFile(join(state, 'started'), '');
    const { stdout } = await up();
    const kubeconfig = /^export KUBECONFIG=(.+)$/m.exec(stdout)?.[1];
    if (kubeconfig === undefined) throw new Error(`the cluster did not say where its kubeconfig is: ${stdout}`);
    await writeFile(mark, '');
    return kubeconfig.replace(/^["']|["']$/g, '');
  });
}

async function leave(): Promise<void> {
  await locked(async () => {
    await rm(mark, { force: true });
    const others: string[] = [];
    for (const entry of await readdir(state)) {
      const pid = Number(/^user-(\d+)$/.exec(entry)?.[1]);
      if (Number.isNaN(pid)) continue;
      if (isAlive(pid)) others.push(entry);
      else await rm(join(state, entry), { force: true });
    }
    if (others.length > 0 || !existsSync(join(state, 'started'))) return;
    await execa(join(scripts, 'down'), { timeout: 120_000 });
    await rm(join(state, 'started'), { force: true });
  });
}

/** Other suites change the firewall of this machine at the same time, and a step of `up` or of an earlier `down` can lose to one: it is cleared away, and tried once more. */
async function up() {
  const start = () => execa(join(scripts, 'up'), { timeout: 180_000 });
  try {
    return await start();
  } catch (error) {
    console.warn(`the test cluster did not start, and is started again: ${error instanceof Error ? error.message : String(error)}`);
    await execa(join(scripts, 'down'), { timeout: 120_000 });
    return await start();
  }
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

async function locked<T>(work: () => Promise<T>): Promise<T> {
  const lock = join(state, 'lock');
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      const owner = (await readdir(lock).catch(() => [])).map(Number)[0];
      if (owner !== undefined && !isAlive(owner)) await rm(lock, { recursive: true, force: true });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  try {
    await writeFile(join(lock, String(process.pid)), '');
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}
