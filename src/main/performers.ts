import { deployRelease } from '../ops/deploy-release.ts';
import { publishImage } from '../ops/publish-image.ts';
import { recordPaper } from '../ops/record-paper.ts';
import { findReusable } from '../ops/find-reusable.ts';
import { scanSource } from '../ops/scan-source.ts';
import type { World } from '../ops/world.ts';
import { messageOf } from '../kernel/error.ts';
import type { Journal } from '../run/journal.ts';
import type { Performers } from '../run/port.ts';

/** The server's performers: what the engine leaves to others. */
export function serverPerformers(world: World, journal: Journal): Performers {
  return {
    reuse: (head, stage) => findReusable(world, head, stage),
    async stagePassed(run, head, stage) {
      if (!world.runner.sandboxed) return;
      try {
        for (const paper of await world.papers.tests(run, stage.name)) {
          const ledgerIndex = await recordPaper(world, paper);
          await journal.append(run, { type: 'paper-signed', subject: head.tree, predicateType: paper.predicateType, ledgerIndex });
        }
      } catch (error) {
        // The stage has passed all the same; without its paper it will be run again rather than reused.
        world.logger.error({ run, stage: stage.name, error: messageOf(error) }, 'no paper was signed for a stage that passed');
        await journal.append(run, { type: 'note', text: `Stage ${stage.name} passed, but no paper was signed: ${messageOf(error)}` });
      }
    },
    scan: (context, scan, level) => scanSource(world, context, scan, level),
    image: (context, image) => publishImage(world, context, image),
    deploy: (context, deploy) => deployRelease(world, context, deploy),
    async finished(run, head, outcome) {
      world.logger.info({ run, repository: head.repository, event: head.event, outcome }, 'run finished');
    },
  };
}
