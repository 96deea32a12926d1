import { isDigest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import { canonicalJson } from '../kernel/json.ts';
import type { World } from './world.ts';

export type ShownPapers = {
  readonly checkpoint: string;
  readonly papers: { predicateType: string; bundle: unknown; ledger: { index: number; leaf: string; proof: string[] } }[];
};

/** The papers of a digest with the proof of each in the ledger under its newest checkpoint. */
export async function showPapers(world: World, digest: string): Promise<ShownPapers> {
  if (!isDigest(digest)) throw new WaybillError('INVALID_INPUT', `${JSON.stringify(digest.slice(0, 100))} is not a digest`);
  const latest = await world.ledger.latestCheckpoint();
  const papers = await world.attestations.findAttestations({ subject: digest });
  return {
    checkpoint: latest?.note ?? '',
    papers: await Promise.all(
      papers.map(async (paper) => {
        const [entry] = await world.ledger.entries({ from: paper.index, limit: 1 });
        const covered = latest !== undefined && paper.index < latest.size;
        return {
          predicateType: paper.predicateType,
          bundle: JSON.parse(paper.bundle) as unknown,
          ledger: {
            index: paper.index,
            leaf: entry ? canonicalJson(entry) : '',
            proof: covered ? [...(await world.ledger.inclusionProof(paper.index, latest.size)).hashes] : [],
          },
        };
      }),
    ),
  };
}
