import type { BuiltEntry } from '../evidence/snapshot.ts';
import { policyFor } from '../policy/evidence-policy.ts';
import { judgeScans } from '../policy/judge-scans.ts';
import type { EnvironmentUse } from './in-use.ts';
import type { World } from './world.ts';

const mostPods = 200;

/**
 * Tells of what runs although a new look has made it something that its environment's policy would no longer admit: in the log and in the ledger. What runs goes on
 * running; whoever starts it anew is refused, or warned, as the policy says. What was refused before the look is not told again.
 * @param before the entries as they were
 */
export async function tellRefused(
  world: Pick<World, 'papers' | 'policies' | 'ledger' | 'logger' | 'clock'>,
  before: readonly BuiltEntry[],
  uses: readonly EnvironmentUse[],
): Promise<void> {
  const now = world.clock.now();
  const policies = await world.policies();
  const fresh = new Map((await world.papers.snapshot())?.snapshot.images.map((image) => [image.digest as string, image] as const));
  for (const was of before) {
    const is = fresh.get(was.digest);
    if (!is || is.imported) continue;
    for (const { environment, running = [] } of uses) {
      const pods = running.filter(({ digest }) => digest === was.digest).map(({ workload, pod }) => ({ workload, pod }));
      const policy = policyFor(policies, environment.namespace);
      if (pods.length === 0 || policy === 'exempt') continue;
      const said = new Set(judgeScans(was, policy.require.scans, now).map(({ message }) => message));
      const reasons = judgeScans(is, policy.require.scans, now).flatMap(({ message }) => (said.has(message) ? [] : [message]));
      if (reasons.length === 0) continue;
      const what = { environment: environment.name, repository: was.repository, digest: was.digest, run: was.run, reasons };
      const mode = policy.rules?.scans ?? policy.mode;
      await world.ledger.append({
        kind: 'admin',
        subject: [was.digest, `environment:${environment.name}`],
        body: { act: 'running-image-refused', by: 'advisories', ...what, mode, pods: pods.slice(0, mostPods), podCount: pods.length },
      });
      world.logger.warn({ ...what, mode, pods: pods.length }, 'what runs would not be admitted any more');
    }
  }
}
