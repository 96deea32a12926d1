import { createServer } from 'node:http';
import { foldersOf } from '../../src/config/folders.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { silentLogger } from '../../src/kernel/logger.ts';
import { connectRegistry } from '../../src/oci/client.ts';
import type { RegistryClient } from '../../src/oci/client-types.ts';
import { openRegistry } from '../../src/registry/registry.ts';
import { openStore } from '../../src/store/store.ts';

/** What somebody can do who may write the registry's folder and the database, and needs no token of the server for it. */
export async function behindTheBack<T>(data: string, repository: string, act: (client: RegistryClient) => Promise<T>): Promise<T> {
  const folders = foldersOf(data);
  await using store = openStore(folders.storeFile);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const host = `127.0.0.1:${address !== null && typeof address !== 'string' ? address.port : 0}`;
  try {
    await using registry = await openRegistry({
      store,
      folder: folders.registry,
      clock: systemClock,
      logger: silentLogger,
      service: host,
      realm: `http://${host}/registry/token`,
      authenticate: async () => undefined,
      onGrant: async () => undefined,
    });
    server.on('request', (request, response) => void registry.handle(request, response));
    using push = await registry.mintPush({ repository, run: 999_999, ttlMs: 60_000 });
    using client = connectRegistry({ registry: host, plainHttp: true, auth: { bearer: push.token } });
    return await act(client);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
