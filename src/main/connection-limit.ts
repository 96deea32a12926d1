import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Logger } from '../kernel/logger.ts';
import { addressPrefix } from '../registry/client-address.ts';

const tellEveryMs = 60_000;

/**
 * Connections that are open at once; more are closed unanswered. One address has at most half of them, so that it does not shut out the others.
 * @param options.shared behind a proxy all connections come from its address, and the proxy holds single clients back
 */
export function limitConnections(
  server: Server | TlsServer,
  options: { readonly most: number; readonly shared: boolean; readonly logger: Logger },
): void {
  const { most, shared, logger } = options;
  const perAddress = shared ? most : Math.ceil(most / 2);
  const open = new Map<string, number>();
  let toldAt = Number.NEGATIVE_INFINITY;
  const tell = (address: string | undefined) => {
    if (performance.now() < toldAt + tellEveryMs) return;
    toldAt = performance.now();
    logger.warn({ address, most, perAddress }, 'connections are refused: too many are open');
  };
  server.maxConnections = most;
  server.on('drop', (dropped) => tell(dropped?.remoteAddress));
  server.on('connection', (socket: Socket) => {
    const address = addressPrefix(socket.remoteAddress ?? '');
    const count = (open.get(address) ?? 0) + 1;
    if (count > perAddress) {
      tell(address);
      socket.destroy();
      return;
    }
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
  });
}
