import { endpoints } from '../api/endpoints.ts';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { dockerLogin } from '../oci/docker-login.ts';
import type { Reference } from '../oci/reference.ts';
import type { CliContext } from './context.ts';

/** Where Docker Hub's registry answers. */
const hub = 'registry-1.docker.io';
const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/;

export type Connection = {
  readonly client: RegistryClient;
  readonly repository: string;
  /** True for the registry of the Waybill server that the user is logged in at. */
  readonly own: boolean;
};

/**
 * A client for the registry of a reference: Waybill's own with the login of `waybill login`, any other with what `docker login` or
 * `podman login` left, or with nobody's. A reference without a registry is one of Waybill's own.
 * @throws WaybillError UNAUTHENTICATED, INVALID_INPUT
 */
export async function connectTo(context: CliContext, reference: Reference): Promise<Connection> {
  const login = await context.credentials().catch((error: unknown) => {
    if (isWaybillError(error, 'UNAUTHENTICATED')) return undefined;
    throw error;
  });
  const server = login && new URL(login.url);
  if (reference.registry === undefined && server === undefined)
    throw new WaybillError('INVALID_INPUT', `the reference ${reference.repository} names no registry`, {
      fix: 'Write it as REGISTRY/NAME:TAG (docker.io/library/NAME:TAG for Docker Hub), or log in at a server: waybill login.',
    });
  if (login && server && (reference.registry === undefined || reference.registry === server.host)) {
    const person = await (await context.client()).call(endpoints.whoAmI);
    const auth = { username: person.id, password: login.token };
    return {
      client: connectRegistry({ registry: server.host, plainHttp: server.protocol === 'http:', auth }),
      repository: reference.repository,
      own: true,
    };
  }
  const named = reference.registry ?? '';
  const registry = named === 'docker.io' || named === 'index.docker.io' ? hub : named;
  const repository = registry === hub && !reference.repository.includes('/') ? `library/${reference.repository}` : reference.repository;
  const auth = await dockerLogin(context.registryLogins, registry, repository, context.signal);
  // Loopback reaches nobody but this machine; everything else is spoken to under TLS.
  const client = connectRegistry({ registry, plainHttp: loopback.test(registry), ...(auth ? { auth } : {}) });
  return { client, repository, own: false };
}
