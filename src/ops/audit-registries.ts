import { outcomeOf, type RegistryFact, type RegistryFinding } from '../audit/registry-finding.ts';
import type { Person } from '../identity/person.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { wireRepository } from '../registry/external/naming.ts';
import type { ExternalRegistry } from '../registry/external/record.ts';
import { checkPull } from './external-registries.ts';
import type { World } from './world.ts';

const good = (text: string): RegistryFact => ({ kind: 'good', text });
const bad = (text: string): RegistryFact => ({ kind: 'bad', text });
const untold = (text: string): RegistryFact => ({ kind: 'untold', text });

type Needs = Pick<World, 'externals' | 'identity' | 'ledger' | 'registryAddress' | 'registryName'>;

/**
 * Who besides the pipeline can push: tried where it can be tried, asked where there is an API, and said where neither tells.
 * @param names of external registries; none are all, and Waybill's own
 */
export async function auditRegistries(world: Needs, by: Person, names: readonly string[], signal: AbortSignal): Promise<RegistryFinding[]> {
  const all = await world.externals.list();
  const unknown = names.find((name) => !all.some((each) => each.name === name));
  if (unknown !== undefined) throw new WaybillError('NOT_FOUND', `there is no external registry ${unknown}`);
  const findings: RegistryFinding[] = names.length > 0 ? [] : [await auditOwn(world, signal)];
  for (const record of all)
    if (names.length === 0 || names.includes(record.name)) findings.push(await auditExternal(world, record, signal));
  await world.ledger.append({
    kind: 'admin',
    subject: findings.map((finding) => finding.registry),
    body: { act: 'registry-audit', by: by.id, outcomes: findings.map(({ registry, outcome }) => `${registry} ${outcome}`) },
  });
  return findings;
}

async function auditOwn(world: Needs, signal: AbortSignal): Promise<RegistryFinding> {
  using nobody = connectRegistry({ registry: world.registryAddress, plainHttp: true });
  const people = (await world.identity.listPeople()).filter((person) => person.active);
  const facts = [
    await anonymousPush(nobody, 'waybill-audit/probe', signal),
    good(
      'push tokens are minted in the server for one run or one approved import and one repository, and held in memory; no endpoint gives one',
    ),
    good(`people can pull with their tokens and none can push (${people.map(({ id, role }) => `${id}: ${role}`).join(', ')})`),
    good('tags do not move'),
    good('it rests on the data directory: whoever can write there, or as the user of the server, can do everything'),
  ];
  return { registry: '(own)', server: world.registryName, outcome: outcomeOf(facts), facts };
}

async function auditExternal(world: Needs, record: ExternalRegistry, signal: AbortSignal): Promise<RegistryFinding> {
  const place = wireRepository(record.server, record.prefix === undefined ? 'waybill-audit' : `${record.prefix}/waybill-audit`);
  using nobody = await world.externals.connect(record.name, { signal, as: 'nobody' });
  const facts = [await anonymousPush(nobody, place, signal)];
  const pull = await attempt(() => checkPull(world, record, place, signal));
  if (pull === 'pushes') facts.push(bad('the credential that clusters get can push'));
  else if (pull === 'pulls') facts.push(good('the credential that clusters get cannot push'));
  else if (pull !== 'none') facts.push(untold(`the credential that clusters get could not be tried: ${pull}`));
  facts.push(...(await vendorFacts(world, record, signal)));
  return { registry: record.name, server: record.server, outcome: outcomeOf(facts), facts };
}

/** Begun and given up at once. */
async function anonymousPush(nobody: RegistryClient, repository: string, signal: AbortSignal): Promise<RegistryFact> {
  try {
    const { push } = await nobody.probe(repository, signal);
    if (push === 'allowed') return bad('anybody can push: an upload without a credential was taken');
    if (push === 'missing') return untold('whether anybody can push without a credential was not told: there is no such repository yet');
    return good('an upload without a credential was refused');
  } catch (error) {
    return untold(`whether anybody can push without a credential could not be tried: ${messageOf(error)}`);
  }
}

async function vendorFacts(world: Needs, record: ExternalRegistry, signal: AbortSignal): Promise<RegistryFact[]> {
  if (record.kind !== 'ecr') return [untold(untoldBy(record))];
  try {
    const repositories = (await world.externals.pushers(record.name, signal)) ?? [];
    const facts = repositories.flatMap(({ repository, pushers, immutableTags }) => [
      pushers.length === 0
        ? good(`${repository}: its policy lets nobody push`)
        : bad(`${repository}: its policy lets push: ${pushers.map((who) => (who === '*' ? 'everybody' : who)).join(', ')}`),
      immutableTags ? good(`${repository}: tags do not move`) : bad(`${repository}: tags can be moved`),
    ]);
    return [
      ...facts,
      untold('policies of users and roles of the account, which can let them push, are not asked for: see ecr:PutImage in IAM'),
    ];
  } catch (error) {
    return [untold(`policies of repositories could not be asked for: ${messageOf(error)}`)];
  }
}

/** Where to look, when this version does not. */
function untoldBy({ kind, server }: ExternalRegistry): string {
  const not = 'who else can push is not asked for by this version';
  if (kind === 'acr')
    return `${not}: roles (AcrPush, Owner, Contributor), tokens, scope maps and the admin user are told by Azure Resource Manager alone`;
  if (kind === 'gar') return `${not}: see who has roles/artifactregistry.writer on the repository, the project and above`;
  if (server === 'ghcr.io') return `${not}: see "Manage access" of the package, and workflows of repositories that are linked to it`;
  if (server === 'docker.io') return `${not}: see collaborators, teams and access tokens of the repository`;
  return `${not}, and plain registries have no API that tells: see members, robots and tokens in its own administration`;
}

async function attempt<T>(work: () => Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    return messageOf(error);
  }
}
