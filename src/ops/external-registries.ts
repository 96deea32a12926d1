import type { Person } from '../identity/person.ts';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import type { Secret } from '../kernel/secret.ts';
import type { Probe, RegistryClient } from '../oci/client-types.ts';
import { wireRepository } from '../registry/external/naming.ts';
import { canonicalServer, type ExternalRegistry, type NewExternalRegistry } from '../registry/external/record.ts';
import type { World } from './world.ts';

type Externals = Pick<World, 'externals' | 'ledger'> & { readonly registry: Pick<World['registry'], 'mirrors'> };

/** Registries that the company has: every act is in the ledger, no credential is. */
export async function addExternalRegistry(
  world: Externals & Pick<World, 'registryName'>,
  by: Person,
  record: NewExternalRegistry,
  credential: Secret | undefined,
  pullCredential?: Secret,
): Promise<ExternalRegistry> {
  if (canonicalServer(record.server) === canonicalServer(world.registryName))
    throw new WaybillError('INVALID_INPUT', `${record.server} is the registry of this Waybill itself; it needs no credential`);
  const added = await world.externals.add(record, credential, pullCredential);
  await world.ledger.append({
    kind: 'admin',
    subject: [added.name],
    body: {
      act: 'external-registry-add',
      by: by.id,
      server: added.server,
      registryKind: added.kind,
      uses: [...added.uses],
      repositories: [...added.repositories],
      pullCredential: pullCredential !== undefined,
      ...(added.prefix === undefined ? {} : { prefix: added.prefix }),
      ...(added.anonymous ? { anonymous: true } : {}),
      ...(added.mirror === undefined ? {} : { tagSeconds: added.mirror.tagSeconds, quotaBytes: added.mirror.quotaBytes }),
    },
  });
  return added;
}

/** Environments that pull with the second one get it within minutes. @throws WaybillError NOT_FOUND, INVALID_INPUT */
export async function renewExternalCredentials(
  world: Externals,
  by: Person,
  name: string,
  credentials: { readonly push?: Secret; readonly pull?: Secret },
): Promise<ExternalRegistry> {
  if (!credentials.push && !credentials.pull)
    throw new WaybillError('INVALID_INPUT', 'no credential was given', { fix: 'Give --credential FILE, --pull-credential FILE, or both.' });
  const record = await world.externals.renew(name, credentials);
  await world.ledger.append({
    kind: 'admin',
    subject: [name],
    body: {
      act: 'external-registry-credentials',
      by: by.id,
      credential: credentials.push !== undefined,
      pullCredential: credentials.pull !== undefined,
    },
  });
  return record;
}

/** @throws WaybillError NOT_FOUND, CONFLICT while an environment is deployed from it */
export async function removeExternalRegistry(world: Externals & Pick<World, 'environments'>, by: Person, name: string): Promise<void> {
  const users = (await world.environments.list()).filter((environment) => environment.registry === name).map((each) => each.name);
  if (users.length > 0)
    throw new WaybillError('CONFLICT', `${users.join(', ')} ${users.length === 1 ? 'is' : 'are'} deployed from the registry ${name}`, {
      fix: `Other credentials: waybill registry credential ${name} --pull-credential FILE. Otherwise first: waybill environment change ${users[0]} --own-registry.`,
    });
  const record = await world.externals.get(name);
  if (!(await world.externals.remove(name))) throw new WaybillError('NOT_FOUND', `there is no external registry ${name}`);
  // What was cached with its credential goes with it; a stop in between leaves the rest to the next collection, and serves none of it.
  const cleared = record?.uses.includes('mirror') ? await world.registry.mirrors?.clear(record.server) : undefined;
  await world.ledger.append({
    kind: 'admin',
    subject: [name],
    body: { act: 'external-registry-remove', by: by.id, ...(cleared ? { cachedBytes: cleared.bytes } : {}) },
  });
}

export type ExternalCheck = Probe & {
  readonly name: string;
  readonly server: string;
  readonly repository: string;
  readonly expiresAt?: string;
  /** `pushes`: a cluster would get a key that can push. `refused`: it does not log in. */
  readonly pullCredential: 'none' | 'pulls' | 'pushes' | 'refused';
};

/** Really logs in, and tries to pull and to push; nothing is left there. @throws WaybillError when the login is refused */
export async function checkExternalRegistry(
  world: Externals,
  by: Person,
  name: string,
  options: { repository?: string; signal: AbortSignal },
): Promise<ExternalCheck> {
  const record = await world.externals.get(name);
  if (!record) throw new WaybillError('NOT_FOUND', `there is no external registry ${name}`);
  const repository = options.repository ?? (record.prefix === undefined ? 'waybill-check' : `${record.prefix}/waybill-check`);
  const { expiresAt } = await world.externals.login(name, options.signal);
  using client = await world.externals.connect(name, { signal: options.signal });
  const found = await client.probe(wireRepository(record.server, repository), options.signal);
  const pullCredential = await checkPull(world, record, wireRepository(record.server, repository), options.signal);
  await world.ledger.append({ kind: 'admin', subject: [name], body: { act: 'external-registry-check', by: by.id, repository } });
  return { name, server: record.server, repository, ...found, pullCredential, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

/** Whether the credential for clusters can push all the same. */
export async function checkPull(
  world: Pick<World, 'externals'>,
  record: ExternalRegistry,
  repository: string,
  signal: AbortSignal,
): Promise<ExternalCheck['pullCredential']> {
  let client: RegistryClient;
  try {
    client = await world.externals.connect(record.name, { signal, as: 'pull' });
  } catch (error) {
    if (isWaybillError(error, 'NOT_FOUND')) return 'none';
    throw error;
  }
  using open = client;
  try {
    const { pull, push } = await open.probe(repository, signal);
    if (push === 'allowed') return 'pushes';
    return typeof pull === 'object' ? 'refused' : 'pulls';
  } catch (error) {
    if (isWaybillError(error, 'UNAUTHENTICATED')) return 'refused';
    throw error;
  }
}
