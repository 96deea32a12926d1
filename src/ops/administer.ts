import type { Person, Token } from '../identity/person.ts';
import type { Environment, EnvironmentChange, PullSecretOn } from '../deploy/environment.ts';
import { parsePersonId } from '../identity/person.ts';
import { loadKubeconfig } from '../kube/kubeconfig.ts';
import { WaybillError } from '../kernel/error.ts';
import type { RepositoryName } from '../kernel/ids.ts';
import { Secret } from '../kernel/secret.ts';
import type { Repository } from '../source/port.ts';
import type { World } from './world.ts';

/** Administrative acts. Each is done and then written to the ledger with who did it; none of them holds a secret's value there. */
async function act(
  world: World,
  by: Person,
  what: string,
  subject: string,
  body: Record<string, string | number | string[]> = {},
): Promise<void> {
  await world.ledger.append({ kind: 'admin', subject: [subject], body: { act: what, by: by.id, subject, ...body } });
}

export async function addPerson(
  world: World,
  by: Person,
  input: { id: string; name?: string | undefined; emails: string[]; role: string },
): Promise<Person> {
  const { name, ...rest } = input;
  const person = await world.identity.addPerson({ ...rest, ...(name === undefined ? {} : { name }) });
  await act(world, by, 'person-add', person.id, { role: person.role, emails: [...person.emails] });
  return person;
}

/** One more address, another role; what somebody did before keeps its authors. */
export async function changePerson(
  world: World,
  by: Person,
  id: string,
  input: { emails: string[]; role?: string | undefined },
): Promise<Person> {
  const person = parsePersonId(id);
  if (input.role !== undefined) await world.identity.setRole(person, input.role);
  for (const email of input.emails) await world.identity.addEmail(person, email);
  const changed = await world.identity.getPerson(person);
  if (!changed) throw new WaybillError('NOT_FOUND', `nobody is called ${id}`);
  await act(world, by, 'person-change', person, { role: changed.role, emails: [...changed.emails] });
  return changed;
}

export async function removePerson(world: World, by: Person, id: string): Promise<void> {
  const person = await world.identity.removePerson(parsePersonId(id));
  world.registry.revokePerson(person.id);
  await act(world, by, 'person-remove', person.id);
}

export async function createToken(
  world: World,
  by: Person,
  input: { person: string; label: string; expiresInDays?: number | undefined },
): Promise<{ id: string; token: Secret }> {
  const id = parsePersonId(input.person);
  const { label, expiresInDays } = input;
  const minted = await world.identity.mintToken(
    { id },
    { label: label || 'token', ...(expiresInDays === undefined ? {} : { expiresInDays }) },
  );
  await act(world, by, 'token-create', id, { token: minted.id, label });
  return minted;
}

export async function revokeToken(world: World, by: Person, id: string): Promise<Token> {
  const token = await world.identity.revokeToken(id);
  world.registry.revokePerson(token.person);
  await act(world, by, 'token-revoke', token.person, { token: token.id });
  return token;
}

export async function addRepository(world: World, by: Person, input: { name: string; protectedBranch: string }): Promise<Repository> {
  const repository = await world.source.createRepository({ name: input.name as RepositoryName, protectedBranch: input.protectedBranch });
  await act(world, by, 'repository-add', repository.name, { protectedBranch: repository.protectedBranch });
  return repository;
}

export async function removeRepository(world: World, by: Person, name: string): Promise<void> {
  await world.source.removeRepository(name as RepositoryName);
  await act(world, by, 'repository-remove', name);
}

export async function addEnvironment(
  world: World,
  by: Person,
  input: {
    name: string;
    kind: 'cluster' | 'local';
    namespace: string;
    kubeconfig?: string | undefined;
    pullSecretOn?: PullSecretOn;
    registry?: string;
  },
): Promise<Environment> {
  const { name, namespace, pullSecretOn, registry } = input;
  if (registry !== undefined) await demandPullable(world, registry);
  const base = {
    name,
    namespace,
    ...(pullSecretOn === undefined ? {} : { pullSecretOn }),
    ...(registry === undefined ? {} : { registry }),
  };
  const kubeconfig = new Secret(input.kubeconfig ?? '');
  // Told now and to whoever gives it, not in the log of the first release.
  if (input.kind === 'cluster') await loadKubeconfig(kubeconfig);
  const environment = await world.environments.add(
    input.kind === 'local' ? { ...base, kind: 'local' } : { ...base, kind: 'cluster', kubeconfig },
  );
  await act(world, by, 'environment-add', environment.name, {
    environmentKind: environment.kind,
    namespace: environment.namespace,
    ...wiringOf(environment),
  });
  return environment;
}

/** Holds from the next release on: what runs there is not touched. @throws WaybillError NOT_FOUND */
export async function changeEnvironment(world: World, by: Person, name: string, change: EnvironmentChange): Promise<Environment> {
  if (change.registry !== undefined && change.registry !== null) await demandPullable(world, change.registry);
  const environment = await world.environments.change(name, change);
  await act(world, by, 'environment-change', name, wiringOf(environment));
  return environment;
}

const wiringOf = ({ pullSecretOn, registry }: Environment): Record<string, string> => ({
  pullSecretOn,
  ...(registry === undefined ? {} : { registry }),
});

/** Told now and to whoever names it, not in the log of the first release. @throws WaybillError NOT_FOUND */
async function demandPullable(world: World, name: string): Promise<void> {
  if (!(await world.externals.get(name)))
    throw new WaybillError('NOT_FOUND', `there is no external registry ${name}`, {
      fix: `Add it first: waybill registry add ${name} --server HOST --use publish --pull-credential FILE.`,
    });
  (await world.externals.connect(name, { as: 'pull' }))[Symbol.dispose]();
}

export async function removeEnvironment(world: World, by: Person, name: string): Promise<boolean> {
  const removed = await world.environments.remove(name);
  if (!removed) return false;
  // What runs there stays; the key with which it was pulled does not outlive the environment, nor reach a later one of the same name.
  const pullTokens = await world.registry.revokePull(name);
  await world.pullSecrets.forget(name);
  await act(world, by, 'environment-remove', name, { pullTokens });
  return removed;
}
