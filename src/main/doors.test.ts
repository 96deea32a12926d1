import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { makeAuthority, makeServing } from '../admission/authority.ts';
import { configFile } from '../config/config.ts';
import { foldersOf } from '../config/folders.ts';
import { isWaybillError } from '../kernel/error.ts';
import { silentLogger } from '../kernel/logger.ts';
import { makeDoors } from './doors.ts';
import { openTlsServer } from './tls-server.ts';

const year = 365 * 24 * 3_600_000;
const now = new Date();
const later = new Date(now.getTime() + year);

async function certificate(name: string) {
  const authority = await makeAuthority(`authority of ${name}`, now, later);
  const serving = await makeServing(authority, ['localhost', '127.0.0.1', name], now, later);
  return { ca: authority.cert, ...serving };
}

async function folder() {
  const data = await mkdtemp(path.join(tmpdir(), 'waybill-doors-'));
  return { data, [Symbol.asyncDispose]: () => rm(data, { recursive: true, force: true }) };
}

const configOf = (data: string, server: object) => ({ ...configFile.parse({ server }), folders: foldersOf(data) });

/** What stands in the certificate that a server shows to those who trust `ca`. */
function subjectAt(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: 'localhost', port, ca, agent: false }, (response) => {
      response.resume();
      resolve((response.socket as TLSSocket).getPeerCertificate().subjectaltname ?? '');
    });
    outgoing.once('error', reject).end();
  });
}

test('plain HTTP on an address that others reach is refused, unless a proxy is meant', async () => {
  await using t = await folder();
  for (const host of ['0.0.0.0', '::', '192.0.2.1'])
    await assert.rejects(makeDoors(configOf(t.data, { host }), silentLogger), (error) => isWaybillError(error, 'FORBIDDEN'));
  for (const server of [{ host: '127.0.0.1' }, { host: '::1' }, { host: '0.0.0.0', behindProxy: true }])
    await (await makeDoors(configOf(t.data, server), silentLogger))[Symbol.asyncDispose]();
});

test('TLS for everybody, plain HTTP for the own process, both to the same handler', async () => {
  await using t = await folder();
  const { ca, cert, key } = await certificate('one.example');
  await writeFile(path.join(t.data, 'c.pem'), cert);
  await writeFile(path.join(t.data, 'k.pem'), key);
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  await using doors = await makeDoors(configOf(t.data, { port, tls: { cert: 'c.pem', key: 'k.pem' } }), silentLogger);
  doors.onRequest((_, response) => response.end('hello'));
  await using _open = await doors.open();
  assert.match(await subjectAt(port, ca), /one\.example/);
  assert.equal(await (await fetch(`http://${doors.own}/`)).text(), 'hello');
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`), 'no plain HTTP at the door for everybody');
});

test('a certificate that is renewed is read again; one that does not fit is not', async () => {
  await using t = await folder();
  const [one, two] = [await certificate('one.example'), await certificate('two.example')];
  const files = { cert: path.join(t.data, 'c.pem'), key: path.join(t.data, 'k.pem') };
  await writeFile(files.cert, one.cert);
  await assert.rejects(openTlsServer(files, { logger: silentLogger }), (error) => isWaybillError(error, 'INVALID_INPUT'));
  await writeFile(files.key, one.key);
  using opened = await openTlsServer(files, { logger: silentLogger, everyMs: 20 });
  const { server } = opened;
  server.on('request', (_, response) => void response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    assert.match(await subjectAt(port, one.ca), /one\.example/);
    await writeFile(files.cert, two.cert);
    await sleep(100);
    assert.match(await subjectAt(port, one.ca), /one\.example/, 'the key is still the old one');
    await writeFile(files.key, two.key);
    await sleep(200);
    assert.match(await subjectAt(port, two.ca), /two\.example/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
