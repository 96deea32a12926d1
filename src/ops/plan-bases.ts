import { baseFactsIn } from '../evidence/base-facts.ts';
import { parseKeyRing } from '../evidence/keys.ts';
import { vsaType } from '../evidence/statements/vsa.ts';
import { isDigest, type Digest } from '../kernel/digest.ts';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { RepositoryName } from '../kernel/ids.ts';
import { parseReference } from '../oci/reference.ts';
import type { Plan } from '../plan/plan.ts';
import { refuseBase } from '../policy/base-policy.ts';
import type { ResolvedBase } from '../run/event.ts';
import { baseRepository } from './base-image.ts';
import { namedBases } from './named-bases.ts';
import type { World } from './world.ts';

export type BasesWorld = Pick<
  World,
  'source' | 'registry' | 'registryName' | 'attestations' | 'papers' | 'basePolicy' | 'clock' | 'logger' | 'runner'
>;

export type PlannedBases = {
  readonly bases: readonly ResolvedBase[];
  /** Why an image of the plan cannot be built, each with its place in the file; empty when all can. */
  readonly refused: readonly string[];
  /** What could not be looked up now: the build tries again. */
  readonly notes: readonly string[];
};

/**
 * Finds what every base of a plan is now, and whether images may be built upon it: before a stage has run for twenty minutes, and so that all images of
 * a run, and whatever replaces the run, use the same although a tag moves. What is not there or not allowed is refused; what cannot be
 * looked up is noted and left to the build, for a registry that is away for a moment must not cost a merge its run.
 */
export async function planBases(
  world: BasesWorld,
  at: { readonly repository: RepositoryName; readonly commit: GitOid },
  plan: Plan,
  text: string,
): Promise<PlannedBases> {
  const { bases: named, problems } = await namedBases(plan, text, (file, options) =>
    world.source.readFile(at.repository, at.commit, file, options),
  );
  const bases = new Map<string, ResolvedBase>();
  const refused = [...problems];
  const notes = new Set<string>();
  for (const base of named) {
    try {
      const digest = bases.get(base.reference)?.digest ?? (await findBase(world, base.reference));
      await requireAllowed(world, base.reference, digest);
      bases.set(base.reference, { reference: base.reference, digest });
    } catch (error) {
      if (isWaybillError(error, 'NOT_FOUND', 'UNSUPPORTED', 'FORBIDDEN', 'INVALID_INPUT')) {
        refused.push(base.tell(error.detail, error.fix));
        continue;
      }
      world.logger.warn({ base: base.reference, error: messageOf(error) }, 'a base could not be looked up when a run was planned');
      notes.add(
        `The base ${base.reference} could not be looked up when the run was made (${messageOf(error).slice(0, 300)}); the build looks again.`,
      );
    }
  }
  return { bases: [...bases.values()], refused, notes: [...notes] };
}

/** @throws WaybillError NOT_FOUND, UNSUPPORTED for another registry; STORE_FAILED and the like when it cannot be told */
export async function findBase(world: Pick<World, 'registry' | 'registryName'>, reference: string): Promise<Digest> {
  const repository = baseRepository(reference, world.registryName);
  if (repository === undefined) throw new WaybillError('INTERNAL', 'scratch has no digest');
  const { digest, tag } = parseReference(reference);
  const found = await world.registry.find(repository, digest ?? tag ?? 'latest');
  if (found === undefined || !isDigest(found))
    throw new WaybillError('NOT_FOUND', `there is no base image ${reference} in ${world.registryName}`, {
      fix: 'Name one that is there: a run of this Waybill builds it first, or waybill image import brings it.',
    });
  return found;
}

/**
 * What the signer would refuse after the build is refused here, by the same functions: a base without papers that hold, and one that the policy on
 * bases does not allow.
 * @throws WaybillError FORBIDDEN
 */
export async function requireAllowed(
  world: Pick<World, 'attestations' | 'papers' | 'basePolicy' | 'clock' | 'runner'>,
  reference: string,
  digest: Digest,
): Promise<void> {
  const at = world.clock.now();
  const recorded = await world.attestations.findAttestations({ subject: digest, predicateType: vsaType });
  const ring = parseKeyRing((await world.papers.keys()).papers);
  const papers = baseFactsIn(
    recorded.map((paper) => paper.bundle),
    digest,
    ring,
    at,
  );
  // Without a sandbox nothing is signed, neither the base nor what is built upon it.
  if (papers.length === 0 && world.runner.sandboxed)
    throw new WaybillError(
      'FORBIDDEN',
      `the base ${named(reference)} has no summary that holds, so nothing built upon it would get papers`,
      {
        fix: 'Name a base that a run has built and signed, or that was imported; build or import it again when its papers have expired.',
      },
    );
  const why = refuseBase(world.basePolicy, { reference, pinned: parseReference(reference).digest !== undefined, papers }, at);
  if (why !== undefined)
    throw new WaybillError('FORBIDDEN', `the base ${named(reference)} is not allowed: ${why}`, {
      fix: 'Name a base that the administrator allows, or ask for it to be allowed (`bases.allow` in waybill.json of the server).',
    });
}

/** Without its digest: who reads it has the line of the file before them. */
const named = (reference: string): string => reference.split('@', 1)[0] ?? reference;

/** What whoever pushes, merges or looks at the run reads, in at most 4,000 characters. */
export function refusalText(refused: readonly string[]): string {
  return refused.join('\n\n').slice(0, 4_000);
}
