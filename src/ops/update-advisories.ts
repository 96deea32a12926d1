import type { AdvisoryStateView } from '../api/scan-views.ts';
import { messageOf } from '../kernel/error.ts';
import type { EcosystemUpdate } from '../scan/advisories/update.ts';
import type { EcosystemState } from '../scan/advisories/database-state.ts';
import type { World } from './world.ts';

/** Brings the server's advisories up to date, and tells the ledger whose wish it was and what became of it. */
export async function updateAdvisories(world: World, by: string, signal: AbortSignal): Promise<AdvisoryStateView[]> {
  const results = await world.scanning.updateAdvisories(signal);
  const changed = results.filter((result) => result.outcome === 'updated');
  // Also the same ones, known to be current again: what could not be looked at in old ones can be now.
  if (results.some((result) => result.outcome !== 'failed')) world.scanning.advisoriesChanged();
  for (const result of results)
    if (result.outcome === 'failed')
      world.logger.error({ ecosystem: result.ecosystem, error: messageOf(result.error) }, 'advisories could not be brought up to date');
  if (by !== 'timer' || changed.length > 0 || results.some((result) => result.outcome === 'failed'))
    await world.ledger.append({
      kind: 'admin',
      subject: ['advisories'],
      body: { act: 'advisories-updated', by, results: results.map(told) },
    });
  return results.map(viewOf);
}

export async function listAdvisories(world: Pick<World, 'scanning'>): Promise<AdvisoryStateView[]> {
  return (await world.scanning.advisoryStates()).map(stateView);
}

function told(result: EcosystemUpdate) {
  return result.outcome === 'failed'
    ? { ecosystem: result.ecosystem, outcome: result.outcome, error: messageOf(result.error).slice(0, 500) }
    : {
        ecosystem: result.ecosystem,
        outcome: result.outcome,
        advisories: result.state.advisories,
        digest: result.state.digest,
        updatedAt: result.state.updatedAt,
      };
}

function viewOf(result: EcosystemUpdate): AdvisoryStateView {
  return result.outcome === 'failed'
    ? { ecosystem: result.ecosystem, outcome: 'failed', error: `${result.error.detail}. ${result.error.fix}` }
    : { ...stateView(result.state), outcome: result.outcome };
}

function stateView({ ecosystem, advisories, packages, digest, updatedAt, source }: EcosystemState): AdvisoryStateView {
  return { ecosystem, advisories, packages, digest, updatedAt, source };
}
