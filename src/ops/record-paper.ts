import type { SignedPaper } from './papers-office.ts';
import type { World } from './world.ts';

/** Keeps a paper in the ledger; returns its index there. */
export async function recordPaper(world: Pick<World, 'attestations'>, paper: SignedPaper): Promise<number> {
  const { index } = await world.attestations.recordAttestation(paper.bundle, {
    predicateType: paper.predicateType,
    subjects: paper.subjects,
  });
  return index;
}
