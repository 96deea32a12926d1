import { createServer } from 'node:http';
import path from 'node:path';
import type { Processes } from '../cli/context.ts';
import { configFile } from '../config/config.ts';
import { foldersOf } from '../config/folders.ts';
import { systemClock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import { registryServerOptions } from '../registry/limits.ts';
import { registryMigrations } from '../registry/migrations.ts';
import { openRegistry } from '../registry/registry.ts';
import { openStore } from '../store/store.ts';
import { limitConnections } from './connection-limit.ts';
import { serveControl } from './control.ts';
import { isLoopback } from './doors.ts';
import { listen } from './listen.ts';
import { processLogger } from './logger.ts';
import { privateFolder } from './private-folder.ts';

/**
 * The registry alone, for a laptop, the conformance suite and benchmarks: nobody is asked who they are, tags move, everything can be
 * deleted. That is why it is refused on every address that others could reach.
 */
export async function registryServe(options: Parameters<Processes['registryServe']>[0]): Promise<void> {
  const { host, port, signal } = options;
  if (!isLoopback(host))
    throw new WaybillError('FORBIDDEN', `a registry that asks nobody who they are is served on loopback alone, not on ${host}`, {
      fix: 'Leave --host out, or run `waybill server`, whose registry asks for tokens.',
    });
  const folders = foldersOf(options.data);
  await using stack = new AsyncDisposableStack();
  await privateFolder(folders.data);
  await privateFolder(path.dirname(folders.sockets.control), folders.data);
  stack.use(await serveControl(folders.sockets.control, async () => ({ [Symbol.dispose]() {} })));
  const store = stack.use(openStore(path.join(folders.data, 'registry.sqlite')));
  await store.migrate(registryMigrations);
  const server = createServer(registryServerOptions);
  const logger = processLogger('registry');
  limitConnections(server, { most: configFile.parse({}).server.connections, shared: false, logger });
  const address = await listen(server, { host, port }, 'Choose another with --port.');
  stack.use(address);
  const registry = stack.use(
    await openRegistry({
      store,
      folder: folders.registry,
      clock: systemClock,
      logger,
      service: address.name,
      realm: `http://${address.name}/registry/token`,
      authenticate: async () => undefined,
      onGrant: async () => undefined,
      open: true,
      mutableTags: true,
      deletion: true,
    }),
  );
  server.on('request', (request, response) => void registry.handle(request, response));
  options.onReady(`http://${address.name}`);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
