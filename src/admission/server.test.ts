import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { once } from 'node:events';
import { silentLogger } from '../kernel/logger.ts';
import { ensureCertificates } from './certificates.ts';
import type { AdmissionRecord } from './review.ts';
import { serveAdmission, type ServeAdmissionOptions } from './server.ts';
import { bad, goodImage, host, known, now, pod, policies, review } from './test-kit.ts';

const names = ['localhost', '127.0.0.1'];

async function gate(t: TestContext, change: Partial<ServeAdmissionOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-admission-'));
  const certificates = await ensureCertificates(folder, names, new Date());
  const server = await serveAdmission({
    host: '127.0.0.1',
    port: 0,
    tls: certificates.serving,
    policies: policies(),
    source: known(),
    clock: { now: () => now },
    logger: silentLogger,
    ...change,
  });
  const agent = new Agent({ keepAlive: true, ca: certificates.caBundle, maxSockets: 50 });
  t.after(async () => {
    agent.destroy();
    await server.close();
    await rm(folder, { recursive: true });
  });
  const send = async (path: string, body?: string | Buffer, method = body === undefined ? 'GET' : 'POST') => {
    const { promise, resolve, reject } = Promise.withResolvers<{
      status: number | undefined;
      body: unknown;
      close: boolean;
    }>();
    const sent = request({ host: '127.0.0.1', port: server.port, path, method, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          body: JSON.parse(Buffer.concat(chunks).toString()) as unknown,
          close: response.headers.connection === 'close',
        }),
      );
    });
    sent.on('error', reject).end(body);
    return promise;
  };
  const admit = async (object: unknown) =>
    ((await send('/admit?timeout=10s', JSON.stringify(review(object)))).body as { response: { allowed: boolean; uid: string } }).response;
  return { server, folder, certificates, agent, send, admit };
}

test('it admits and denies over TLS, and tells each verdict', async (t) => {
  const told: AdmissionRecord[] = [];
  const { admit } = await gate(t, { onVerdict: (record) => told.push(record) });
  assert.equal((await admit(pod())).allowed, true);
  assert.equal((await admit(pod(`${host}/shop/shop@${bad}`))).allowed, false);
  assert.deepEqual(
    told.map((record) => record.verdict.decision),
    ['allow', 'deny'],
  );
});

test('what onVerdict throws changes no verdict', async (t) => {
  const { admit } = await gate(t, {
    onVerdict: () => {
      throw new Error('full');
    },
  });
  assert.equal((await admit(pod())).allowed, true);
});

test('it is healthy at once, and ready when a verified snapshot is there', async (t) => {
  const ready = await gate(t);
  assert.deepEqual([(await ready.send('/healthz')).status, (await ready.send('/readyz')).status], [200, 200]);
  const blind = await gate(t, { source: { ready: false, knowledge: known(undefined).knowledge } });
  assert.deepEqual([(await blind.send('/healthz')).status, (await blind.send('/readyz')).status], [200, 503]);
});

const refused: [string, string, string | Buffer | undefined, string, number][] = [
  ['another path', '/', undefined, 'GET', 404],
  ['a prefix of the path', '/admit/', '{}', 'POST', 404],
  ['GET', '/admit', undefined, 'GET', 405],
  ['no JSON', '/admit', 'hello', 'POST', 400],
  ['no body', '/admit', '', 'POST', 400],
  ['no uid', '/admit', '{}', 'POST', 400],
  ['bytes that are no UTF-8', '/admit', Buffer.from([0xff, 0xfe, 0x00]), 'POST', 400],
];
for (const [name, path, body, method, status] of refused) {
  test(`${name} is answered with ${status}`, async (t) => assert.equal((await (await gate(t)).send(path, body, method)).status, status));
}

test('a body over the limit is refused, announced or not, and the gate goes on', async (t) => {
  const { send, admit, server, certificates } = await gate(t, { limits: { bodyBytes: 10_000 } });
  assert.deepEqual([(await send('/admit', 'x'.repeat(10_001))).status], [413]);
  const socket = connect({ port: server.port, host: '127.0.0.1', ca: certificates.caBundle });
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString())).on('error', () => undefined);
  socket.write('POST /admit HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
  for (let chunk = 0; chunk < 20; chunk++) socket.write(`400\r\n${'x'.repeat(1024)}\r\n`);
  await once(socket, 'close');
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.equal((await admit(pod())).allowed, true);
});

test('bodies that are held together have a limit of their own', async (t) => {
  const { send, admit } = await gate(t, { limits: { heldBytes: 1_000 } });
  assert.equal((await send('/admit', 'x'.repeat(2_000))).status, 413);
  for (let n = 0; n < 20; n++) assert.equal((await admit(pod())).allowed, true);
});

test('a body that never ends is answered at the deadline', async (t) => {
  const { server, certificates } = await gate(t);
  const socket = connect({ port: server.port, host: '127.0.0.1', ca: certificates.caBundle });
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString())).on('error', () => undefined);
  socket.write('POST /admit?timeout=200ms HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{');
  await once(socket, 'close');
  assert.match(answer, /^HTTP\/1\.1 504 /);
});

test('a thousand reviews at once each get their own answer', async (t) => {
  const { send } = await gate(t);
  const answers = await Promise.all(
    Array.from({ length: 1_000 }, async (_, n) => {
      const body = JSON.stringify(review(pod(n % 2 === 0 ? goodImage : 'nginx'), { uid: `uid-${n}` }));
      return (await send('/admit', body)).body as { response: { uid: string; allowed: boolean } };
    }),
  );
  answers.forEach(({ response }, n) => assert.deepEqual([response.uid, response.allowed], [`uid-${n}`, n % 2 === 0]));
});

test('the certificate is replaced while it runs; open connections go on', async (t) => {
  const { server, folder, certificates, agent, admit } = await gate(t);
  agent.maxSockets = 1;
  await admit(pod());
  const seen = async (): Promise<string> => {
    const socket = connect({ port: server.port, host: '127.0.0.1', ca: certificates.caBundle });
    await once(socket, 'secureConnect');
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    return new X509Certificate(raw).fingerprint256;
  };
  const before = await seen();
  const renewed = await ensureCertificates(folder, [...names, 'gate.example'], new Date());
  server.replaceCertificate(renewed.serving);
  assert.notEqual(await seen(), before);
  assert.equal(await seen(), new X509Certificate(renewed.serving.cert).fingerprint256);
  assert.equal((await admit(pod())).allowed, true);
});

test('plain HTTP gets no answer', async (t) => {
  const { server } = await gate(t);
  await assert.rejects(fetch(`http://127.0.0.1:${server.port}/healthz`));
});

test('when it stops, what is under way is answered and nothing new is taken', async (t) => {
  const open = Promise.withResolvers<void>();
  const { knowledge } = known();
  const { server, send, admit } = await gate(t, {
    source: {
      ready: true,
      knowledge: async (digests) => {
        await open.promise;
        return knowledge(digests);
      },
    },
  });
  const pending = send('/admit', JSON.stringify(review(pod())));
  while ((await send('/readyz')).status !== 200) await new Promise((resolve) => setImmediate(resolve));
  const closed = server.close();
  open.resolve();
  const answer = await pending;
  assert.deepEqual([answer.status, answer.close], [200, true]);
  await closed;
  await assert.rejects(admit(pod()));
});

test('a client that never finishes does not keep it from stopping', async (t) => {
  const { server, certificates } = await gate(t, { limits: { drainMs: 50 } });
  const socket = connect({ port: server.port, host: '127.0.0.1', ca: certificates.caBundle });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write('POST /admit HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{');
  await new Promise((resolve) => setTimeout(resolve, 20));
  await server.close();
});
