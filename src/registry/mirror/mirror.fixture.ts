import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestOf, type Digest } from '../../kernel/digest.ts';
import type { Logger } from '../../kernel/logger.ts';
import { Secret } from '../../kernel/secret.ts';
import { ociConfig, ociLayerTarGzip, ociManifest } from '../../oci/media-types.ts';
import { createMasterKey } from '../../secrets/master-key.ts';
import { secretsMigrations } from '../../secrets/migrations.ts';
import { openSecrets } from '../../secrets/secrets.ts';
import { openExternalRegistries, type ExternalRegistries } from '../external/external-registries.ts';
import { externalMigrations } from '../external/migrations.ts';
import type { NewExternalRegistry } from '../external/record.ts';
import { people, startTestRegistry, type TestOptions, type TestRegistry } from '../registry.fixture.ts';
import { mirrorMigrations } from './migrations.ts';
import type { MirrorsOptions } from './mirror.ts';

/** For tests: a registry that answers as a test says; by default as it should, with its content behind a name and a password. */
export type ScriptedUpstream = AsyncDisposable & {
  readonly host: string;
  readonly blobs: Map<string, Buffer>;
  /** `repository:tag` or `repository@digest`. */
  readonly manifests: Map<string, Buffer>;
  /** `METHOD path`, in order, those with wrong credentials left out. */
  readonly asked: string[];
  /** Every Authorization header that came. */
  readonly authorizations: string[];
  /** True when it has answered. */
  script: ((request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>) | undefined;
  addImage(repository: string, tag: string, layers?: readonly Buffer[]): { readonly manifest: Digest; readonly layers: readonly Digest[] };
};

export const upstreamLogin = { username: 'robot', password: 'a password of the upstream' } as const;
const basic = `Basic ${Buffer.from(`${upstreamLogin.username}:${upstreamLogin.password}`).toString('base64')}`;

export async function startUpstream(options: { readonly open?: boolean } = {}): Promise<ScriptedUpstream> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const upstream: ScriptedUpstream = {
    host: `127.0.0.1:${address.port}`,
    blobs: new Map(),
    manifests: new Map(),
    asked: [],
    authorizations: [],
    script: undefined,
    addImage(repository, tag, layers = [gzipSync(randomBytes(200_000))]) {
      const add = (bytes: Buffer) => {
        upstream.blobs.set(digestOf(bytes), bytes);
        return { digest: digestOf(bytes), size: bytes.length };
      };
      const config = add(
        Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, of: tag })),
      );
      const manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: ociManifest,
          config: { mediaType: ociConfig, ...config },
          layers: layers.map((layer) => ({ mediaType: ociLayerTarGzip, ...add(layer) })),
        }),
      );
      const digest = digestOf(manifest);
      for (const name of [`${repository}:${tag}`, `${repository}@${digest}`]) upstream.manifests.set(name, manifest);
      return { manifest: digest, layers: layers.map((layer) => digestOf(layer)) };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== undefined) upstream.authorizations.push(request.headers.authorization);
    if (!options.open && request.headers.authorization !== basic)
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="upstream"' }).end();
    upstream.asked.push(`${request.method} ${request.url}`);
    if (await upstream.script?.(request, response)) return;
    const [, repository = '', kind, name = ''] = /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^?]+)/.exec(request.url ?? '') ?? [];
    if (kind === 'tags') {
      const tags = [...upstream.manifests.keys()].flatMap((key) =>
        key.startsWith(`${repository}:`) ? [key.slice(repository.length + 1)] : [],
      );
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ name: repository, tags }));
    }
    const content =
      kind === 'blobs' ? upstream.blobs.get(name) : upstream.manifests.get(`${repository}${name.includes(':') ? '@' : ':'}${name}`);
    if (!content) return void response.writeHead(404).end();
    response.writeHead(200, {
      'content-length': content.length,
      ...(kind === 'manifests' ? { 'content-type': ociManifest, 'docker-content-digest': digestOf(content) } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : content);
  }
  server.on('request', (request, response) => void answer(request, response));
  return upstream;
}

export type MirroringRegistry = TestRegistry & {
  readonly externals: ExternalRegistries;
  readonly logged: { level: string; message: string; fields: object }[];
};

/** A real registry with a mirror `up` of the upstream. */
export async function startMirroring(
  upstream: Pick<ScriptedUpstream, 'host'>,
  options: TestOptions & {
    readonly record?: Partial<NewExternalRegistry>;
    readonly upstreamLimits?: MirrorsOptions['limits'];
    readonly anyAddress?: readonly string[];
  } = {},
): Promise<MirroringRegistry> {
  const { record, upstreamLimits, anyAddress = [], ...rest } = options;
  let externals: ExternalRegistries | undefined;
  const logged: MirroringRegistry['logged'] = [];
  const log = (level: string) => (fields: object, message: string) => void logged.push({ level, message, fields });
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  const registry = await startTestRegistry({
    ...rest,
    logger,
    async mirror(store, clock, folder) {
      await store.migrate([...secretsMigrations, ...externalMigrations, ...mirrorMigrations]);
      const key = path.join(folder, 'master.key');
      await createMasterKey(key).catch(() => undefined);
      externals = openExternalRegistries({ store, secrets: await openSecrets(store, key), clock });
      if (!(await externals.get('up'))) {
        const wanted = { name: 'up', server: upstream.host, kind: 'basic', uses: ['mirror'], ...record } satisfies NewExternalRegistry;
        await externals.add(wanted, record?.anonymous ? undefined : new Secret(JSON.stringify(upstreamLogin)));
      }
      return {
        folder: path.join(folder, 'mirror'),
        externals,
        anyAddress,
        ...(upstreamLimits === undefined ? {} : { limits: upstreamLimits }),
      };
    },
  });
  if (!externals) throw new Error('the registry was opened without its mirror');
  return { ...registry, externals, logged };
}

const asAnna = { authorization: `Basic ${Buffer.from(`anna:${people.anna}`).toString('base64')}` };

/** One request with the name and token of a person. */
export async function pull(registry: TestRegistry, url: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${registry.url}${url}`, { ...init, headers: { ...asAnna, ...init.headers } });
}
