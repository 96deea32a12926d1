import { createServer, type Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { isIP } from 'node:net';
import path from 'node:path';
import type { Config } from '../config/config.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Logger } from '../kernel/logger.ts';
import { registryServerOptions } from '../registry/limits.ts';
import { limitConnections } from './connection-limit.ts';
import { listen } from './listen.ts';
import { ownAddressOf } from './names.ts';
import { openTlsServer } from './tls-server.ts';

/** Where the server is reached: by everybody, and by its own process for pushes to its own registry. */
export type Doors = AsyncDisposable & {
  /** `host:port` for plain HTTP from this process. */
  readonly own: string;
  onRequest(handle: Parameters<typeof createServer>[1] & object): void;
  /** Opens the door for everybody, until what it gives is disposed. @throws WaybillError CONFLICT */
  open(): Promise<AsyncDisposable>;
};

/** @throws WaybillError FORBIDDEN for plain HTTP that others could listen to; INVALID_INPUT for a certificate that cannot be used */
export async function makeDoors(config: Config, logger: Logger): Promise<Doors> {
  const { tls, host, behindProxy } = config.server;
  if (!tls && !behindProxy && !isLoopback(host))
    throw new WaybillError('FORBIDDEN', `plain HTTP is served on loopback alone, not on ${host}: tokens would be readable on the way`, {
      fix: 'Name a certificate in waybill.json (server.tls: cert, key), or say server.behindProxy: true when something in front speaks TLS.',
    });
  await using stack = new AsyncDisposableStack();
  const opened = tls && stack.use(await openTlsServer({ cert: near(config, tls.cert), key: near(config, tls.key) }, { logger }));
  const outer: Server | TlsServer = opened?.server ?? createServer(registryServerOptions);
  limitConnections(outer, { most: config.server.connections, shared: behindProxy, logger });
  // The own process speaks plain HTTP past the certificate, whose names need not cover loopback.
  const inner = opened ? createServer(registryServerOptions) : undefined;
  const own = inner
    ? stack.use(await listen(inner, { host: '127.0.0.1', port: 0 }, 'Free a port on loopback.')).name
    : ownAddressOf(config);
  const owned = stack.move();
  return {
    own,
    onRequest(handle) {
      outer.on('request', handle);
      inner?.on('request', handle);
    },
    open: () => listen(outer, config.server, 'End what has the port, or set another in waybill.json: server.port.'),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function near(config: Config, file: string): string {
  return path.resolve(config.folders.data, file);
}

/** Addresses that nobody else can send to or read from. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
