/**
 * `npm run soak [-- --seconds 60 --clients 1000 --slow 200]`: the registry in a process of its own, a crowd that pushes and pulls small blobs over
 * a socket each, and slow clients all the while: heads and bodies that drip, readers of a 500 MB blob that stop. Status 1 when an answer was
 * wrong, when memory kept growing, or when files or connections were left open. Linux: it looks into /proc.
 *
 * `npm run soak -- --kill-points`: kill -9 before and after each single change to the disk, and what is left then.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { crowd } from '../src/registry/crowd.fixture.ts';
import { countPoints, killAndLook } from '../src/registry/kill-points.fixture.ts';
import { registryProcess } from '../src/registry/process.fixture.ts';
import { drip, stopReading, type SlowClient } from '../src/registry/slow.fixture.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    clients: { type: 'string', default: '1000' },
    slow: { type: 'string', default: '200' },
    'kill-points': { type: 'boolean', default: false },
  },
});
const [seconds = 0, clients = 0, slow = 0] = [values.seconds, values.clients, values.slow].map(Number);
const largeBytes = 500 * 2 ** 20;
/** What memory may grow between the second and the last third: garbage that was not collected yet, not a leak. */
const growth = 1.15;

if (values['kill-points']) await killEverywhere();
else await crowdFor();

async function killEverywhere(): Promise<void> {
  const all = await countPoints();
  const points = Array.from({ length: all }, (_, n) => n + 1).values();
  let failed = 0;
  const worker = async () => {
    for (const point of points)
      await killAndLook(point).catch((error: unknown) => {
        failed += 1;
        console.log(String(error));
      });
  };
  await Promise.all([worker(), worker()]);
  console.log(`killed at ${all} points; ${failed} left something wrong`);
  if (failed > 0) process.exitCode = 1;
}

async function crowdFor(): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-soak-'));
  try {
    await using server = await registryProcess(folder, [], {
      limits: { requestsPerSecond: 1_000_000, idleMs: 5_000 },
      server: { headersTimeout: 5_000, connectionsCheckingInterval: 500 },
    });
    const memory = async () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;
    const files = async () => (await readdir(`/proc/${server.pid}/fd`)).length;

    const large = await pushLarge(server);
    const filesBefore = await files();
    const samples: { readonly at: number; readonly mb: number }[] = [];
    const from = performance.now();
    const until = from + seconds * 1000;
    const goesOn = () => performance.now() < until;

    const sampling = (async () => {
      while (goesOn()) {
        samples.push({ at: (performance.now() - from) / 1000, mb: await memory() });
        await sleep(500);
      }
    })();
    let cutOff = 0;
    const start = (kind: number): SlowClient => {
      if (kind % 3 === 0) return drip(server, ['GET /v2/ HTTP/1.1', 'Host: x'], { everyMs: 1_000, whole: false });
      if (kind % 3 === 1) return stopReading(server, `/v2/shop/shop/blobs/${large}`, { sending: false });
      const head = [`POST /v2/shop/shop/blobs/uploads/?digest=${large} HTTP/1.1`, 'Host: x', 'Content-Length: 1000000'];
      return drip(server, head, { everyMs: 1_000, whole: true });
    };
    const slowly = async (kind: number) => {
      while (goesOn()) {
        using client = start(kind);
        // Readers that stop do not see their end: they go after a while, as such clients do.
        const patience = new AbortController();
        const ended = await Promise.race([client.ended.then(() => true), sleep(8_000, false, { signal: patience.signal })]);
        patience.abort();
        if (ended) cutOff += 1;
      }
    };
    const [{ requests, wrong }] = await Promise.all([
      crowd(server, { clients, goesOn }),
      sampling,
      ...Array.from({ length: slow }, (_, n) => slowly(n)),
    ]);

    let filesAfter = await files();
    for (let tries = 0; tries < 30 && filesAfter > filesBefore; tries++) {
      await sleep(1_000);
      filesAfter = await files();
    }
    const report = await server.fsck();
    const peak = (low: number, high: number) =>
      Math.max(...samples.filter(({ at }) => at >= seconds * low && at <= seconds * high).map(({ mb }) => mb));
    const [second, last] = [peak(1 / 3, 2 / 3), peak(2 / 3, 1)];
    console.log(`${clients} clients and ${slow} slow ones, ${seconds} s: ${requests} requests (${Math.round(requests / seconds)}/s)`);
    console.log(`wrong answers: ${wrong.length}; slow clients cut off: ${cutOff}; damages found: ${report.damages.length}`);
    console.log(`memory: ${Math.round(second)} MB at most in the second third, ${Math.round(last)} MB in the last`);
    console.log(`files and sockets open: ${filesBefore} before, ${filesAfter} after`);
    for (const line of wrong.slice(0, 10)) console.log(`  ${line}`);
    const failed = wrong.length > 0 || report.damages.length > 0 || last > second * growth || filesAfter > filesBefore + 5;
    if (failed) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Pushes one large blob and returns its digest. */
async function pushLarge(server: { readonly host: string; readonly token: string }): Promise<string> {
  const block = randomBytes(2 ** 20);
  const hash = createHash('sha256');
  for (let sent = 0; sent < largeBytes; sent += block.length) hash.update(block);
  const digest = `sha256:${hash.digest('hex')}`;
  const [hostname, port] = server.host.split(':');
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const pushing = request(
      {
        hostname,
        port,
        method: 'POST',
        path: `/v2/shop/shop/blobs/uploads/?digest=${digest}`,
        headers: { authorization: `Bearer ${server.token}`, 'content-length': largeBytes },
      },
      (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode));
      },
    ).once('error', reject);
    let sent = 0;
    const send = () => {
      while (sent < largeBytes) {
        sent += block.length;
        if (!pushing.write(block)) return;
      }
      pushing.end();
    };
    pushing.on('drain', send);
    send();
  });
  if (status !== 201) throw new Error(`the large blob was answered ${String(status)}`);
  return digest;
}
