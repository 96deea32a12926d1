import { messageOf } from '../kernel/error.ts';
import type { Release } from '../deploy/releases.ts';
import type { RunContext } from '../run/port.ts';
import type { Compared } from '../scan/compare.ts';
import { comparisonText, sumOf, type ComparedPart, type ReleaseComparison } from '../scan/release-comparison.ts';
import type { ScanLevel } from '../plan/scan-levels.ts';
import type { World } from './world.ts';

const linesAtMost = 100;

/** Keeps what is new since a release by its digest, names it in the journal and says it in the log, before it counts. */
export async function keepComparison(
  world: Pick<World, 'clock' | 'scanning'>,
  context: RunContext,
  compared: {
    readonly environment: string;
    readonly levels: readonly ScanLevel[];
    readonly release: Release | undefined;
    readonly parts: readonly { readonly part: ComparedPart; readonly verdict: Pick<Compared, 'passed' | 'reasons'> }[];
    readonly removed: readonly string[];
  },
): Promise<ReleaseComparison> {
  const { environment, levels, release, removed } = compared;
  const parts = compared.parts.map(({ part }) => part);
  const comparison: ReleaseComparison = {
    version: 1,
    environment,
    comparedAt: world.clock.now().toISOString(),
    levels,
    passed: compared.parts.every(({ verdict }) => verdict.passed),
    reasons: compared.parts.flatMap(({ part, verdict }) => verdict.reasons.map((reason) => `${part.name}: ${reason}`)),
    ...(release
      ? { release: { id: release.id, run: release.run, commit: release.commit, at: release.finishedAt ?? release.startedAt } }
      : {}),
    parts,
    removed,
  };
  const found = sumOf(parts);
  await context.emit({
    type: 'release-compared',
    environment,
    comparison: await world.scanning.documents.put('comparison', comparisonText(comparison)),
    ...(release ? { release: release.run } : {}),
    passed: comparison.passed,
    found,
  });
  const since = release
    ? `since the last release of ${environment}, by run ${release.run}`
    : `nothing has been released to ${environment} yet`;
  context.log('waybill', `${since}: ${found.fresh} new, ${found.gone} gone, ${found.learned} of both known only since then`);
  for (const { name, fresh, notes } of parts) {
    for (const finding of fresh.slice(0, linesAtMost))
      context.log(
        finding.fails ? 'stderr' : 'stdout',
        `${finding.severity}  ${name}  ${finding.title}  (new${finding.waiver ? ', waived' : ''})`,
      );
    for (const note of notes) context.log('waybill', `${name}: ${note}`);
  }
  return comparison;
}

/** A comparison that nothing hangs on must not end what it is told beside; somebody has to see that it is missing. */
export async function unlessItFails(
  world: Pick<World, 'logger'>,
  context: RunContext,
  environment: string,
  compare: () => Promise<void>,
): Promise<void> {
  try {
    await compare();
  } catch (error) {
    context.signal.throwIfAborted();
    context.log('stderr', `what is new since the last release of ${environment} cannot be told: ${messageOf(error)}`);
    world.logger.error({ run: context.run, environment, error: messageOf(error) }, 'a run could not be compared with what is released');
  }
}
