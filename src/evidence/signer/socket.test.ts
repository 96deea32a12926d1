import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import { silentLogger } from '../../kernel/logger.ts';
import type { SignerAnswer, SignerRequest } from './protocol.ts';
import { connectSigner } from './client.ts';
import { serveSigner } from './server.ts';

const note: SignerAnswer = { note: 'x' };

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'signer-'));
  return { path, socket: join(path, 'signer.sock'), [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
const start = (socket: string, handle: (r: SignerRequest, s: AbortSignal) => Promise<SignerAnswer> = async () => note, deadline = 5_000) =>
  serveSigner({ socket, handle, logger: silentLogger, deadline });

/** Sends raw bytes, returns the first line of the answer or '' when the connection ends without one. */
async function raw(socket: string, bytes: string | Buffer): Promise<string> {
  const connection = connect(socket);
  const gone = Promise.withResolvers<string>();
  let text = '';
  connection.on('data', (chunk) => {
    text += String(chunk);
    if (text.includes('\n')) connection.destroy();
  });
  // A peer that cuts the line off while we write is what some of these tests want to see.
  connection.on('error', () => connection.destroy());
  connection.on('close', () => gone.resolve(text.split('\n')[0] ?? ''));
  connection.write(bytes);
  return gone.promise;
}

test('a request is answered; only the owner may open the socket', async () => {
  await using at = await folder();
  await using _ = await start(at.socket);
  assert.equal((await stat(at.socket)).mode & 0o777, 0o600);
  assert.deepEqual(await connectSigner(at.socket).request({ kind: 'checkpoint' }), note);
});

test('a refusal arrives as it was thrown; what is no WaybillError keeps its text', async () => {
  await using at = await folder();
  let error: Error = new WaybillError('VERDICT_REFUSED', 'no review', { fix: 'review it' });
  await using _ = await start(at.socket, async () => Promise.reject(error));
  const client = connectSigner(at.socket);
  await assert.rejects(
    client.request({ kind: 'checkpoint' }),
    (e) => isWaybillError(e, 'VERDICT_REFUSED') && e.detail === 'no review' && e.fix === 'review it',
  );
  error = new Error('key material');
  await assert.rejects(client.request({ kind: 'checkpoint' }), (e) => isWaybillError(e, 'INTERNAL') && !e.message.includes('key material'));
});

const nonsense: [string, string][] = [
  ['no JSON', 'hello'],
  ['an unknown kind', '{"kind":"sign","bytes":"AAAA"}'],
  ['an unknown field', '{"kind":"checkpoint","size":1}'],
  ['a digest where a name is asked', `{"kind":"summary","run":1,"image":"shop","digest":"sha256:${'0'.repeat(64)}"}`],
  ['a run that is none', '{"kind":"summary","run":"1","image":"shop"}'],
  ['a negative run', '{"kind":"summary","run":-1,"image":"shop"}'],
  ['no object', 'null'],
  ['an empty line', ''],
];
for (const [what, line] of nonsense)
  test(`refused before the handler sees it: ${what}`, async () => {
    await using at = await folder();
    let seen = 0;
    await using _ = await start(at.socket, async () => {
      seen += 1;
      return note;
    });
    assert.match(await raw(at.socket, `${line}\n`), /"ok":false.*INVALID_INPUT/);
    assert.equal(seen, 0);
  });

test('a line without end is cut off, half a line is no request, and others are served meanwhile', async () => {
  await using at = await folder();
  await using _ = await start(at.socket);
  assert.equal(await raw(at.socket, Buffer.alloc(3 * 1024 * 1024, 'x')), '');
  const half = connect(at.socket);
  half.end('{"kind":"checkpoint"}');
  half.resume();
  await once(half, 'close');
  const silent = connect(at.socket);
  await once(silent, 'connect');
  assert.deepEqual(await connectSigner(at.socket).request({ kind: 'checkpoint' }), note);
  silent.destroy();
});

test('several lines on one connection are answered in order', async () => {
  await using at = await folder();
  await using _ = await start(at.socket, async (request) => ({ note: request.kind === 'tests' ? request.stage : '' }));
  const connection = connect(at.socket);
  for (const stage of ['a', 'b', 'c']) connection.write(`${JSON.stringify({ kind: 'tests', run: 1, stage })}\n`);
  let text = '';
  for await (const chunk of connection) {
    text += String(chunk);
    if (text.split('\n').length > 3) break;
  }
  assert.deepEqual(
    [...text.matchAll(/"note":"(.)"/g)].map((m) => m[1]),
    ['a', 'b', 'c'],
  );
});

test('many clients at once', async () => {
  await using at = await folder();
  await using _ = await start(at.socket);
  const client = connectSigner(at.socket);
  const answers = await Promise.all(Array.from({ length: 40 }, () => client.request({ kind: 'checkpoint' })));
  assert.equal(answers.length, 40);
});

test('a handler that hangs is ended by the deadline, and told so', async () => {
  await using at = await folder();
  const told = Promise.withResolvers<void>();
  await using _ = await start(
    at.socket,
    (_request, signal) => {
      signal.addEventListener('abort', () => told.resolve());
      return new Promise(() => undefined);
    },
    50,
  );
  await assert.rejects(connectSigner(at.socket).request({ kind: 'checkpoint' }), (e) => isWaybillError(e, 'DEADLINE_EXCEEDED'));
  await told.promise;
});

test('a client gives up at its own deadline and at its caller’s signal', async () => {
  await using at = await folder();
  await using _ = await start(at.socket, () => new Promise(() => undefined), 60_000);
  await assert.rejects(connectSigner(at.socket, { deadline: 50 }).request({ kind: 'checkpoint' }), (e) =>
    isWaybillError(e, 'DEADLINE_EXCEEDED'),
  );
  await assert.rejects(connectSigner(at.socket).request({ kind: 'checkpoint' }, AbortSignal.abort(new Error('enough'))), /enough/);
  const later = new AbortController();
  const asked = connectSigner(at.socket).request({ kind: 'checkpoint' }, later.signal);
  await sleep(20);
  later.abort(new Error('enough'));
  await assert.rejects(asked, /enough/);
});

test('an answer that is too large is refused by the server, one that is endless by the client', async () => {
  await using at = await folder();
  await using _ = await start(at.socket, async () => ({ note: 'x'.repeat(17 * 1024 * 1024) }));
  await assert.rejects(connectSigner(at.socket).request({ kind: 'checkpoint' }), (e) => isWaybillError(e, 'LIMIT_EXCEEDED'));
  const hostile = join(at.path, 'hostile.sock');
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write(Buffer.alloc(20 * 1024 * 1024, 'x'));
  });
  server.listen(hostile);
  await once(server, 'listening');
  await assert.rejects(connectSigner(hostile).request({ kind: 'checkpoint' }), (e) => isWaybillError(e, 'LIMIT_EXCEEDED'));
  server.close();
});

test('no signer: the error says so', async () => {
  await using at = await folder();
  await assert.rejects(
    connectSigner(at.socket).request({ kind: 'keys' }),
    (e) => isWaybillError(e, 'SIGNER_UNREACHABLE') && e.fix.includes('waybill signer'),
  );
});

test('the socket of a killed signer is taken over; that of a living one is not', async () => {
  await using at = await folder();
  const program = `require('node:net').createServer().listen(${JSON.stringify(at.socket)}, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  await assert.rejects(start(at.socket), (e) => isWaybillError(e, 'CONFLICT'));
  child.kill('SIGKILL');
  await once(child, 'exit');
  await using _ = await start(at.socket);
  assert.deepEqual(await connectSigner(at.socket).request({ kind: 'checkpoint' }), note);
});

test('a file that is no socket is not removed', async () => {
  await using at = await folder();
  await writeFile(at.socket, 'precious');
  await assert.rejects(start(at.socket), (e) => isWaybillError(e, 'INVALID_INPUT', 'CONFLICT'));
  assert.ok((await stat(at.socket)).isFile());
});

test('stopping ends open requests and removes the socket', async () => {
  await using at = await folder();
  const server = await start(at.socket, () => new Promise(() => undefined));
  const asked = connectSigner(at.socket).request({ kind: 'checkpoint' });
  asked.catch(() => undefined);
  await sleep(50);
  await server[Symbol.asyncDispose]();
  await assert.rejects(asked, (e) => isWaybillError(e, 'SIGNER_UNREACHABLE', 'CANCELLED'));
  await assert.rejects(stat(at.socket));
});
