import type { FastifyInstance } from 'fastify';
import { endpoints } from '../../api/endpoints.ts';
import { parseGitOid } from '../../kernel/git-oid.ts';
import type { ChangeId, RepositoryName } from '../../kernel/ids.ts';
import { WaybillError } from '../../kernel/error.ts';
import { abandon } from '../../ops/abandon.ts';
import { merge } from '../../ops/merge.ts';
import { approve, reject } from '../../ops/review.ts';
import { showChange } from '../../ops/show-change.ts';
import type { World } from '../../ops/world.ts';
import { serve, type Authenticate } from '../serve.ts';

const changesAtMost = 200;

/** Changes and their reviews. */
export function changeRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.listChanges, async ({ query }) => {
    const { repository, state } = query;
    const changes = await world.source.listChanges({
      ...(repository === undefined ? {} : { repository: repository as RepositoryName }),
      ...(state === undefined ? {} : { state }),
      limit: changesAtMost,
    });
    return Promise.all(changes.map((change) => showChange(world, change)));
  });
  serve(app, who, endpoints.showChange, async ({ params }) => showChange(world, await world.source.getChange(params.id as ChangeId)));
  serve(app, who, endpoints.approveChange, async ({ params, body }, person) => {
    const head = body.head === undefined ? {} : { head: parseGitOid(body.head) };
    return showChange(world, await approve(world, params.id as ChangeId, person, { comment: body.comment, ...head }));
  });
  serve(app, who, endpoints.rejectChange, async ({ params, body }, person) =>
    showChange(world, await reject(world, params.id as ChangeId, person, body)),
  );
  serve(app, who, endpoints.abandonChange, async ({ params }, person) =>
    showChange(world, await abandon(world, params.id as ChangeId, person)),
  );
  serve(app, who, endpoints.mergeChange, async ({ params }, person) => {
    const { run } = await merge(world, params.id as ChangeId, person);
    if (run === undefined) {
      throw new WaybillError('CONFLICT', `change ${params.id} is merged, but its pipeline file could not be read`, {
        fix: 'Propose a change that mends waybill.yaml.',
      });
    }
    return { change: await showChange(world, await world.source.getChange(params.id as ChangeId)), run };
  });
}
