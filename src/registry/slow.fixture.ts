import { connect, type Socket } from 'node:net';

/** A client that takes its time. `ended` resolves with what it was answered when the server has ended the connection. */
export type SlowClient = Disposable & { readonly ended: Promise<string> };

type Server = { readonly host: string; readonly token: string };

/** Sends the head, or a part of it, and then one byte every `everyMs`. */
export function drip(server: Server, head: readonly string[], options: { readonly everyMs: number; readonly whole: boolean }): SlowClient {
  const socket = open(server);
  socket.write(head.join('\r\n') + (options.whole ? `\r\nAuthorization: Bearer ${server.token}\r\n\r\n` : '\r\nX-Slow: '));
  const timer = setInterval(() => socket.write('x'), options.everyMs);
  return until(socket, () => clearInterval(timer));
}

/** Asks, reads the first bytes, and stops reading; `ended` comes only when it sends on, because nothing else shows it the end. */
export function stopReading(server: Server, path: string, { sending }: { readonly sending: boolean }): SlowClient {
  const socket = open(server);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.token}\r\n\r\n`);
  socket.once('data', () => void socket.pause());
  const timer = sending ? setInterval(() => socket.write('\r\n'), 50) : undefined;
  return until(socket, () => clearInterval(timer));
}

function open({ host }: Server): Socket {
  const [name, port] = host.split(':');
  const socket = connect(Number(port), name);
  socket.on('error', () => undefined);
  return socket;
}

function until(socket: Socket, stop: () => void): SlowClient {
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    if (answer.length < 1000) answer += chunk.toString('latin1', 0, 1000);
  });
  const ended = new Promise<string>((resolve) => {
    socket.once('close', () => {
      stop();
      resolve(answer);
    });
  });
  return { ended, [Symbol.dispose]: () => void socket.destroy() };
}
