import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { WaybillError } from '../kernel/error.ts';

/** Listens until it is disposed. `name` is `host:port` as clients write it. @throws WaybillError CONFLICT, with `fix` */
export async function listen(
  server: Server | TlsServer,
  { host, port }: { readonly host: string; readonly port: number },
  fix: string,
): Promise<AsyncDisposable & { readonly name: string }> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new WaybillError('CONFLICT', `the server cannot listen on ${host}:${port}: ${cause.message}`, { cause, fix })),
    );
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const actual = typeof address === 'object' && address !== null ? address.port : port;
  return {
    name: `${host.includes(':') ? `[${host}]` : host}:${actual}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
