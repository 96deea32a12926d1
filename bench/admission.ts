import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { ensureCertificates } from '../src/admission/certificates.ts';
import { serveAdmission } from '../src/admission/server.ts';
import { SnapshotSource } from '../src/admission/snapshot-source.ts';
import { entry, host, policies, review, signer, snapshot } from '../src/admission/test-kit.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { digestOf } from '../src/kernel/digest.ts';
import { silentLogger } from '../src/kernel/logger.ts';

// AdmissionReview over TLS with keep-alive: the gate, with 10,000 known images, against a bare node:https server that
// parses and answers the same review. The client has a thread of its own. Prints the ratio of their rates, the latency
// at half of the gate's rate, and the time for a digest that must be looked for first.

type Job = {
  readonly port: number;
  readonly ca: string;
  readonly body: string;
  readonly connections: number;
  readonly requests: number;
  readonly perSecond?: number;
};
type Result = { readonly perSecond: number; readonly p50: number; readonly p99: number };

const requests = 20_000;
const rounds = 3;

async function load({ port, ca, body, connections, requests, perSecond }: Job): Promise<Result> {
  const agent = new Agent({ keepAlive: true, ca, maxSockets: connections });
  const times: number[] = [];
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const one = async (due: number): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    request({ host: '127.0.0.1', port, path: '/admit?timeout=10s', method: 'POST', agent, headers }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
      response.resume().once('end', resolve);
    })
      .once('error', reject)
      .end(body);
    await promise;
    times.push(performance.now() - due);
  };
  await Promise.all(Array.from({ length: connections }, () => one(performance.now())));
  times.length = 0;
  const begin = performance.now();
  if (perSecond === undefined) {
    let left = requests;
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (left-- > 0) await one(performance.now());
      }),
    );
  } else {
    const open: Promise<void>[] = [];
    for (let sent = 0; sent < requests;) {
      // What is late counts from the moment at which it should have been sent.
      for (; sent < requests && performance.now() >= begin + (sent * 1_000) / perSecond; sent++)
        open.push(one(begin + (sent * 1_000) / perSecond));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(open);
  }
  const seconds = (performance.now() - begin) / 1_000;
  agent.destroy();
  times.sort((a, b) => a - b);
  return {
    perSecond: times.length / seconds,
    p50: times[Math.floor(times.length * 0.5)] ?? 0,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
  };
}

async function inThread(job: Job): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  new Worker(new URL(import.meta.url), { workerData: job }).once('message', resolve).once('error', reject);
  return promise;
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-bench-'));
  const { serving, caBundle } = await ensureCertificates(folder, ['127.0.0.1'], new Date());
  const trusted = signer();
  const entries = Array.from({ length: 10_000 }, (_, n) =>
    entry({ digest: digestOf(`image ${n}`), repository: `team/image-${n}`, validUntil: '2999-01-01T00:00:00Z' }),
  );
  const published: { sequence: number; signed: Uint8Array } = { sequence: 10, signed: new Uint8Array() };
  const publish = (): void => {
    published.sequence += 1;
    const dates = { issuedAt: new Date().toISOString(), expiresAt: '2999-01-01T00:00:00Z' };
    published.signed = trusted.sign(snapshot({ sequence: published.sequence, images: entries, ...dates }));
  };
  publish();
  await using source = new SnapshotSource({
    fetchSnapshot: async () => published.signed,
    ring: () => trusted.ring,
    clock: systemClock,
    logger: silentLogger,
    limits: { restMs: 1 },
  });
  await source.start();
  await using gate = await serveAdmission({
    host: '127.0.0.1',
    port: 0,
    tls: serving,
    policies: policies(),
    source,
    clock: systemClock,
    logger: silentLogger,
  });

  const bare = createServer({ cert: serving.cert, key: serving.key.reveal(), keepAlive: true }, (incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { request } = JSON.parse(Buffer.concat(chunks).toString()) as { request: { uid: string } };
      const text = JSON.stringify({
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: { uid: request.uid, allowed: true },
      });
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
    });
  });
  await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));
  const address = bare.address();
  if (address === null || typeof address === 'string') throw new Error('no port');

  const body = JSON.stringify(review(shopPod([0, 1, 2])));
  const job = { ca: caBundle, body, connections: 16, requests };
  const ratios: number[] = [];
  let gateRate = 0;
  for (let round = 0; round < rounds; round++) {
    const [limit, ours] = [await inThread({ ...job, port: address.port }), await inThread({ ...job, port: gate.port })];
    ratios.push(ours.perSecond / limit.perSecond);
    gateRate = Math.max(gateRate, ours.perSecond);
    console.log(
      `round ${round + 1}: bare ${limit.perSecond.toFixed(0)}/s (p99 ${limit.p99.toFixed(1)} ms), gate ${ours.perSecond.toFixed(0)}/s (p99 ${ours.p99.toFixed(1)} ms)`,
    );
  }
  ratios.sort((a, b) => a - b);
  console.log(`admission: ${Buffer.byteLength(body)} bytes, 3 images: ${(ratios[1] ?? 0).toFixed(2)} × the bare server (goal ≥ 0.5)`);
  const half = { ...job, perSecond: gateRate / 2, requests: requests / 2 };
  const [bareHalf, gateHalf] = [await inThread({ ...half, port: address.port }), await inThread({ ...half, port: gate.port })];
  console.log(
    `half load (${(gateRate / 2).toFixed(0)}/s): gate p50 ${gateHalf.p50.toFixed(2)} ms, p99 ${gateHalf.p99.toFixed(2)} ms (goal < 5); bare p50 ${bareHalf.p50.toFixed(2)}, p99 ${bareHalf.p99.toFixed(2)}`,
  );

  const cold: number[] = [];
  for (let n = 0; n < 10; n++) {
    const digest = digestOf(`new ${n}`);
    entries.push(entry({ digest, repository: `team/new-${n}`, validUntil: '2999-01-01T00:00:00Z' }));
    publish();
    const begin = performance.now();
    const knowledge = await source.knowledge([digest]);
    cold.push(performance.now() - begin);
    if (knowledge.images(digest).length !== 1) throw new Error('the new image is not known');
  }
  cold.sort((a, b) => a - b);
  console.log(`cold, a new snapshot of 10,000 images fetched and verified: median ${(cold[5] ?? 0).toFixed(1)} ms (goal ≤ 50)`);
  bare.close();
  bare.closeAllConnections();
  await rm(folder, { recursive: true });
}

/** A pod as a controller makes it, with what surrounds the images in practice. */
function shopPod(images: readonly number[]): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'shop-7d9f8c6b5-x2x4z',
      labels: { app: 'shop', 'pod-template-hash': '7d9f8c6b5' },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'shop-7d9f8c6b5', controller: true }],
    },
    spec: {
      serviceAccountName: 'shop',
      volumes: images.map((n) => ({ name: `data-${n}`, emptyDir: { sizeLimit: '1Gi' } })),
      containers: images.map((n) => ({
        name: `container-${n}`,
        image: `${host}/team/image-${n}@${digestOf(`image ${n}`)}`,
        env: Array.from({ length: 10 }, (_, key) => ({ name: `VARIABLE_${key}`, value: `a value of some length for ${key}` })),
        resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
        volumeMounts: [{ name: `data-${n}`, mountPath: '/data' }],
        securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        livenessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10 },
      })),
    },
  };
}

if (isMainThread) await main();
else parentPort?.postMessage(await load(workerData as Job));
