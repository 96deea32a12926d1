import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { endpoints } from '../../src/api/endpoints.ts';
import { connectCluster } from '../../src/kube/cluster.ts';
import { play } from './play.ts';
import { Screen, StoryEnded } from './screen.ts';
import { cleanUpPlace } from './clean-up.ts';
import type { Place } from './world.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    exit: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(`npm run demo -- [--data DIR] [--exit] [--json]

Plays the main job on this machine: a change is proposed, tested, reviewed, merged, built, pushed, signed, deployed; then every
attempt to get round it is refused. With KUBECONFIG the release goes to that cluster (namespace waybill-demo), else to this host
through podman.

  --data DIR  keep everything in DIR (default: a temporary folder that is removed)
  --exit      end when the story is told; status 0 only if every act went as told
  --json      one closing line of JSON on standard output
`);
  process.exit(0);
}

const interrupted = new AbortController();
let asked = 0;
let last = Number.NEGATIVE_INFINITY;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A terminal tells the whole group, and npm and the set-up pass it on: that is asked once.
    if (performance.now() - last > 500) asked += 1;
    last = performance.now();
    if (asked >= 3) process.exit(130);
    interrupted.abort(new Error('interrupted'));
  });
}

const screen = new Screen();
const started = performance.now();
const root = path.resolve(import.meta.dirname, '..', '..');
let ok = false;
/** When the story was told; what comes after it is cleaning up. */
let told = started;
{
  await using stack = new AsyncDisposableStack();
  const scratch = await mkdtemp(path.join(tmpdir(), 'waybill-demo-'));
  stack.defer(() => rm(scratch, { recursive: true, force: true, maxRetries: 3 }));
  const data = values.data === undefined ? path.join(scratch, 'data') : path.resolve(values.data);
  try {
    const place = await findPlace();
    stack.defer(() => cleanUpPlace(place, data));
    const { stage, told: end } = await play({ screen, root, data, scratch, place, signal: interrupted.signal }, stack);
    ok = screen.acts.every((act) => act.ok);
    told = performance.now();
    const took = Math.round((told - started) / 1000);
    screen.line(
      `\n${ok ? screen.paint('green', `Every act went as told, in ${took} s.`) : screen.paint('red', 'Not every act went as told; see above.')}`,
    );
    if (!values.exit && !interrupted.signal.aborted) {
      const { token } = await stage.admin.api.call(endpoints.createToken, {
        body: { person: 'dana', label: 'a look at the demo', expiresInDays: 1 },
      });
      screen.line(`
Where to look (everything stays up until Ctrl-C):
  the pages        ${stage.url}   log in with the token ${token}
  the application  ${end.endpoint}
  the data         ${data}
  the command line export WAYBILL_URL=${stage.url} WAYBILL_TOKEN=${token}
                   bin/waybill runs show ${end.run};  bin/waybill trace ${end.workload};  bin/waybill verify ${end.image}`);
      if (!interrupted.signal.aborted)
        await new Promise((resolve) => interrupted.signal.addEventListener('abort', resolve, { once: true }));
      screen.line('\nEnding …');
    }
  } catch (error) {
    ok = false;
    if (interrupted.signal.aborted) screen.line('\nInterrupted; cleaning up …');
    else if (!(error instanceof StoryEnded)) screen.line(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}
if (values.json) {
  const acts = screen.acts.map(({ name, ok: good, ms }) => ({ name, ok: good, ms }));
  process.stdout.write(`${JSON.stringify({ ok, seconds: Math.round((told - started) / 100) / 10, acts })}\n`);
}
process.exit(ok ? 0 : interrupted.signal.aborted ? 130 : 1);

/** The cluster of KUBECONFIG where one answers, else this host. */
async function findPlace(): Promise<Place> {
  const kubeconfig = process.env['KUBECONFIG'];
  if (kubeconfig === undefined || kubeconfig === '') return { kind: 'local' };
  try {
    using cluster = await connectCluster({ kubeconfig });
    await cluster.version({ timeoutMs: 5_000 });
    const namespace = 'waybill-demo';
    await cluster.serverSideApply(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
      { fieldManager: 'waybill-demo', force: true },
    );
    return { kind: 'cluster', kubeconfig, namespace, gate: false };
  } catch (error) {
    screen.line(
      `The cluster of KUBECONFIG does not answer (${error instanceof Error ? error.message : String(error)}); the release goes to this host.`,
    );
    return { kind: 'local' };
  }
}
