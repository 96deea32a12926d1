import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { silentLogger } from '../kernel/logger.ts';
import { limitConnections } from './connection-limit.ts';

async function start(t: TestContext, shared: boolean) {
  const server = createServer((_request, response) => void response.end('here'));
  limitConnections(server, { most: 10, shared, logger: silentLogger });
  server.listen(0);
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  /** A connection that says nothing; resolves to whether it is let stay. */
  const open = async (from: string) => {
    const socket = connect({ port: address.port, host: '127.0.0.1', localAddress: from });
    t.after(() => void socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    const closed = once(socket, 'close').then(() => false);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    return { stays: await Promise.race([closed, once(socket, 'data').then(() => true)]), socket };
  };
  return open;
}

test('one address has at most half of the connections; others still come in, and a place that is left is free again', async (t) => {
  const open = await start(t, false);
  const greedy = [];
  for (let n = 0; n < 8; n++) greedy.push(await open('127.0.0.1'));
  assert.deepEqual(
    greedy.map(({ stays }) => stays),
    [true, true, true, true, true, false, false, false],
  );
  assert.ok((await open('127.0.0.2')).stays);
  greedy[0]?.socket.destroy();
  for (let tries = 0; tries < 100; tries++) if ((await open('127.0.0.1')).stays) return;
  assert.fail('the place was not given again');
});

test('behind a proxy its address may have all of them, and no more', async (t) => {
  const open = await start(t, true);
  let staying = 0;
  for (let n = 0; n < 12; n++) if ((await open('127.0.0.1')).stays) staying += 1;
  assert.equal(staying, 10);
});
