import { randomBytes } from 'node:crypto';
import { Agent, request, type IncomingMessage } from 'node:http';
import { digestOf } from '../kernel/digest.ts';

type Answer = { readonly status: number; readonly body: Buffer };
export type CrowdResult = { readonly requests: number; readonly wrong: readonly string[] };

/**
 * Many clients at once, each with a socket of its own that it keeps: each pushes a small blob, asks for it, pulls it back, and begins anew until
 * `goesOn` says no. `wrong` is every answer that was not the right one, byte for byte.
 */
export async function crowd(
  server: { readonly host: string; readonly token: string },
  options: { readonly clients: number; readonly goesOn: (round: number) => boolean },
): Promise<CrowdResult> {
  const wrong: string[] = [];
  let requests = 0;
  async function client(): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const expect = async (what: string, right: (answer: Answer) => boolean, ask: Promise<Answer>) => {
      requests += 1;
      try {
        const answer = await ask;
        if (!right(answer)) wrong.push(`${what}: ${answer.status} ${answer.body.toString('utf8', 0, 200)}`);
      } catch (error) {
        wrong.push(`${what}: ${String(error)}`);
      }
    };
    try {
      for (let round = 0; options.goesOn(round); round++) {
        const content = randomBytes(100 + Math.floor(Math.random() * 16_000));
        const digest = digestOf(content);
        const blob = `/v2/shop/shop/blobs/${digest}`;
        const send = `/v2/shop/shop/blobs/uploads/?digest=${digest}`;
        await expect('push', ({ status }) => status === 201, call(server, agent, 'POST', send, content));
        await expect('head', ({ status }) => status === 200, call(server, agent, 'HEAD', blob));
        await expect('pull', ({ body }) => body.equals(content), call(server, agent, 'GET', blob));
      }
    } finally {
      agent.destroy();
    }
  }
  await Promise.all(Array.from({ length: options.clients }, client));
  return { requests, wrong };
}

function call(
  server: { readonly host: string; readonly token: string },
  agent: Agent,
  method: string,
  path: string,
  body?: Buffer,
): Promise<Answer> {
  const [hostname, port] = server.host.split(':');
  const headers = { authorization: `Bearer ${server.token}`, 'content-length': body?.length ?? 0 };
  return new Promise((resolve, reject) => {
    const asking = request({ hostname, port, agent, method, path, headers, timeout: 60_000 }, (answer: IncomingMessage) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    asking.on('timeout', () => asking.destroy(new Error('no answer for a minute'))).on('error', reject);
    asking.end(body);
  });
}
