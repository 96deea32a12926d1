import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerOptions, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import { silentLogger, type Logger } from '../kernel/logger.ts';
import { Secret } from '../kernel/secret.ts';
import { openStore, type Store } from '../store/store.ts';
import type { Refusal } from './authority.ts';
import { registryServerOptions } from './limits.ts';
import { registryMigrations } from './migrations.ts';
import { openRegistry, type Grant, type Registry, type RegistryOptions } from './registry.ts';

/** For tests: a real registry behind a real server on a port of its own. Disposing it leaves nothing. */
export type TestRegistry = AsyncDisposable & {
  readonly registry: Registry;
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly url: string;
  readonly folder: string;
  readonly grants: Grant[];
  readonly refusals: Refusal[];
  /** Added to the real time. */
  time: { aheadMs: number };
};

export const people = { anna: 'token-of-anna', root: 'token-of-root' } as const;

type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>;
export type TestOptions = Partial<Pick<RegistryOptions, 'open' | 'mutableTags' | 'deletion' | 'limits' | 'quota' | 'behindProxy'>> & {
  /** An existing folder is kept. */
  readonly folder?: string;
  readonly mirror?: (store: Store, clock: Clock, folder: string) => Promise<NonNullable<RegistryOptions['mirror']>>;
  readonly logger?: Logger;
  readonly wrap?: (handle: Handle) => Handle;
  readonly server?: ServerOptions;
};

export async function startTestRegistry(options: TestOptions = {}): Promise<TestRegistry> {
  await using cleanUp = new AsyncDisposableStack();
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'waybill-registry-')));
  if (options.folder === undefined) cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const store = cleanUp.use(openStore(join(folder, 'waybill.db')));
  await store.migrate(registryMigrations);
  const server = createServer({ ...registryServerOptions, ...options.server });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUp.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const host = `127.0.0.1:${address.port}`;
  const grants: Grant[] = [];
  const refusals: Refusal[] = [];
  const time = { aheadMs: 0 };
  const clock: Clock = { now: () => new Date(Date.now() + time.aheadMs) };
  const registry = await openRegistry({
    store,
    folder: join(folder, 'registry'),
    clock,
    logger: options.logger ?? silentLogger,
    ...(options.mirror === undefined ? {} : { mirror: await options.mirror(store, clock, folder) }),
    service: host,
    realm: `http://${host}/registry/token`,
    async authenticate(username, password) {
      for (const [person, token] of Object.entries(people))
        if (person === username && password.equals(new Secret(token))) return { person, admin: person === 'root' };
      return undefined;
    },
    onGrant: async (grant) => void grants.push(grant),
    onRefusal: (refusal) => void refusals.push(refusal),
    ...(options.open === undefined ? {} : { open: options.open }),
    ...(options.mutableTags === undefined ? {} : { mutableTags: options.mutableTags }),
    ...(options.deletion === undefined ? {} : { deletion: options.deletion }),
    ...(options.quota === undefined ? {} : { quota: options.quota }),
    ...(options.behindProxy === undefined ? {} : { behindProxy: options.behindProxy }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  cleanUp.use(registry);
  const handle = options.wrap?.(registry.handle) ?? registry.handle;
  server.on('request', (request, response) => void handle(request, response));
  const owned = cleanUp.move();
  return { registry, host, url: `http://${host}`, folder, grants, refusals, time, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
