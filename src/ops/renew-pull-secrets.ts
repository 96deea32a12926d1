import type { Environment } from '../deploy/environment.ts';
import type { Target } from '../deploy/port.ts';
import type { PullSecretRecord } from '../deploy/pull-secret-records.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { externalsOf, makePullSecret, stampOf, type MadePullSecret } from './make-pull-secret.ts';
import { recordRefusal } from './record-refusal.ts';
import type { World } from './world.ts';

/** Of its life, after which a generation gets a successor; the rest is the overlap in which both pull. */
const due = 2 / 3;

export type RenewalWorld = Pick<
  World,
  | 'environments'
  | 'externals'
  | 'registry'
  | 'pullSecrets'
  | 'target'
  | 'clock'
  | 'ledger'
  | 'logger'
  | 'pullSecretMs'
  | 'registryName'
  | 'lockEnvironment'
>;

/**
 * Gives every environment whose pull secret is in the last third of its life, or holds a credential that was replaced, a new generation. The one
 * before goes on pulling until it expires, so that a pod in the middle of a pull, or a kubelet that has it in mind, does not fail. One environment that
 * cannot be reached is tried again the next time, is told once, and keeps no other from its turn. Returns the names of those that were renewed.
 * @param options.look asks each environment besides whether its secret is still there: a namespace may have been made anew
 */
export async function renewPullSecrets(world: RenewalWorld, signal: AbortSignal, options: { look?: boolean } = {}): Promise<string[]> {
  const renewed = await Promise.all(
    (await world.environments.list()).map(async (environment) => {
      if (signal.aborted) return [];
      try {
        if (!(await mayNeed(world, environment, options.look === true))) return [];
        // A release that goes out right now brings a new generation itself.
        using _lock = await world.lockEnvironment(environment.name, signal);
        const why = await reasonOf(world, environment);
        await using target = await world.target(environment);
        const missing = why === undefined && !(await target.hasPullSecret({ signal }));
        if (why === undefined && !missing) return await recovered(world, environment);
        const { expiresAt } = await renewNow(world, environment, target, signal);
        world.logger.info(
          { environment: environment.name, expiresAt, why: why ?? 'it was not there any more' },
          'the pull secret was renewed',
        );
        return [environment.name];
      } catch (error) {
        if (signal.aborted) return [];
        await tell(world, environment, messageOf(error));
        return [];
      }
    }),
  );
  return renewed.flat();
}

/**
 * Makes a new generation and puts it there, whether it is due or not. The caller has the environment's lock. Nothing is made when the environment
 * does not take it. @throws WaybillError
 */
export async function renewNow(
  world: RenewalWorld,
  environment: Environment,
  target: Target,
  signal: AbortSignal,
): Promise<{ readonly expiresAt?: string }> {
  const ready = await target.preflight({ signal });
  if (!ready.ok) throw new WaybillError('CLUSTER_FAILED', ready.reason);
  let made: MadePullSecret | undefined;
  await target.renewPullSecret(
    async () => {
      made = await makePullSecret(world, environment);
      return made.secret;
    },
    { signal },
  );
  // Where each pull brings its own, nothing was made, and nothing expires.
  if (!made) return {};
  await world.pullSecrets.written(environment.name, made);
  return made.expiresAt === undefined ? {} : { expiresAt: made.expiresAt };
}

/** Cheap, and without the lock: most environments need nothing most of the time. */
async function mayNeed(world: RenewalWorld, environment: Environment, look: boolean): Promise<boolean> {
  if (environment.kind === 'local') return false;
  const state = await stateOf(world, environment);
  if (!state) return false;
  return look || state.failingSince !== undefined || (await reasonOf(world, environment)) !== undefined;
}

async function reasonOf(world: RenewalWorld, environment: Environment): Promise<string | undefined> {
  const state = await stateOf(world, environment);
  if (!state) return undefined;
  if (state.writtenAt !== undefined && state.expiresAt !== undefined) {
    const [from, until] = [Date.parse(state.writtenAt), Date.parse(state.expiresAt)];
    if (world.clock.now().getTime() >= from + (until - from) * due) return 'it is in the last third of its life';
  }
  const wanted = (await externalsOf(world, environment)).map((each) => stampOf(each.record));
  return wanted.some((stamp) => !state.registries.includes(stamp)) ? 'it lacks a login, or has one that was replaced' : undefined;
}

/** What the environment has; undefined before its first release. Releases of an older version have left only what the registry knows. */
async function stateOf(world: RenewalWorld, environment: Environment): Promise<PullSecretRecord | undefined> {
  const record = await world.pullSecrets.get(environment.name);
  if (record?.writtenAt !== undefined) return record;
  const own = await world.registry.pullState(environment.name);
  return (
    own && { registries: [], repositories: own.repositories, ...record, writtenAt: own.newest.createdAt, expiresAt: own.newest.expiresAt }
  );
}

/** It could not be reached the last time, and its secret is there and good. */
async function recovered(world: RenewalWorld, environment: Environment): Promise<string[]> {
  const record = await world.pullSecrets.get(environment.name);
  if (record?.failingSince !== undefined && record.writtenAt !== undefined) await world.pullSecrets.recovered(environment.name);
  return [];
}

/** The log hears of each time; the list of what went wrong, and the ledger, of the first. */
async function tell(world: RenewalWorld, environment: Environment, why: string): Promise<void> {
  const fields = { environment: environment.name, error: why };
  try {
    const first = await world.pullSecrets.failed(environment.name, why);
    world.logger.warn(fields, 'the pull secret could not be looked after; it is tried again');
    if (first)
      await recordRefusal(world, `looking after the pull secret of ${environment.name}`, `${why}. It is tried again every few minutes.`);
  } catch (error) {
    world.logger.error({ ...fields, besides: messageOf(error) }, 'the pull secret could not be looked after, nor that be kept');
  }
}
