import type { BuildContext } from '../image/layers/build-context.ts';
import { WaybillError } from '../kernel/error.ts';
import type { PlannedImage } from '../plan/plan.ts';
import type { RunContext } from '../run/port.ts';
import type { World } from './world.ts';

let builds = 0;

/** Runs the `after` commands of an image in a fresh workspace of their own; the folder lives until it is disposed. */
export function buildSandbox(world: World, context: RunContext, image: PlannedImage): BuildContext['sandbox'] {
  return async (commands, signal) => {
    const { head } = context;
    builds += 1;
    const handle = await world.runner.start(
      {
        id: `b${context.run}-${builds}`,
        source: { tar: await world.source.archive(head.repository, head.commit, signal) },
        env: { WAYBILL_COMMIT: head.commit },
        network: image.network,
      },
      signal,
    );
    try {
      const until = performance.now() + image.timeoutMs;
      for (const run of commands) {
        context.log('waybill', `$ ${run}`);
        const result = await handle.step(
          { run, env: {} },
          { signal, timeoutMs: Math.max(1, Math.ceil(until - performance.now())), onLine: (line) => context.log(line.stream, line.text) },
        );
        if (result.status !== 'passed') throw new WaybillError('BUILD_FAILED', `${run}: ${result.reason}`);
      }
      return { folder: handle.workspace, [Symbol.asyncDispose]: () => handle[Symbol.asyncDispose]() };
    } catch (error) {
      await handle[Symbol.asyncDispose]();
      throw error;
    }
  };
}
