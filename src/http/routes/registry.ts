import type { FastifyInstance } from 'fastify';
import { endpoints } from '../../api/endpoints.ts';
import { checkRegistry } from '../../ops/check-registry.ts';
import { collectRegistry } from '../../ops/collect-registry.ts';
import { approveImport, findImportUpdates, rejectImport, requestImport } from '../../ops/import-image.ts';
import { clearMirror, listMirrors, showMirror, tuneMirror } from '../../ops/mirrors.ts';
import { askForLook } from '../../ops/look-into-imports.ts';
import { judgeBases } from '../../ops/judge-bases.ts';
import { addUpstreamTrust, removeUpstreamTrust } from '../../ops/upstream-trust.ts';
import { importView, showImportScan } from '../../ops/show-import.ts';
import type { World } from '../../ops/world.ts';
import { serve, type Authenticate } from '../serve.ts';

/** What keeps the registry healthy. */
export function registryRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.collectRegistry, async ({ body, signal }, by) => {
    const { images, ...rest } = await collectRegistry(world, by, { ...body, signal });
    return { ...rest, images: images.map((image) => ({ ...image, tags: [...image.tags] })) };
  });
  serve(app, who, endpoints.checkRegistry, async ({ body, signal }, by) => {
    const { damages, mirrored, ...rest } = await checkRegistry(world, by, { ...body, signal });
    return {
      ...rest,
      mirrored: { ...mirrored, dropped: [...mirrored.dropped] },
      damages: damages.map((damage) => ({ ...damage, hits: [...damage.hits] })),
    };
  });
  serve(app, who, endpoints.listImports, async () => (await world.imports.list()).map(importView));
  serve(app, who, endpoints.listImportUpdates, async ({ signal }) => {
    const { updates, unknown } = await findImportUpdates(world, signal);
    return { updates: [...updates], unknown: [...unknown] };
  });
  serve(app, who, endpoints.requestImport, async ({ body, signal }, by) => importView(await requestImport(world, by, body, signal)));
  serve(app, who, endpoints.lookIntoImport, async ({ params }) => importView(await askForLook(world, params.id)));
  serve(app, who, endpoints.showImportScan, async ({ params }) => showImportScan(world, params.id));
  serve(app, who, endpoints.approveImport, async ({ params }, by) => importView(await approveImport(world, by, params.id)));
  serve(app, who, endpoints.rejectImport, async ({ params, body }, by) => importView(await rejectImport(world, by, params.id, body.why)));
  serve(app, who, endpoints.listUpstreamTrust, async () => (await world.upstreamTrust.list()).map(trustOf));
  serve(app, who, endpoints.addUpstreamTrust, async ({ body }, by) => trustOf(await addUpstreamTrust(world, by, body)));
  serve(app, who, endpoints.removeUpstreamTrust, async ({ params }, by) => trustOf(await removeUpstreamTrust(world, by, params.id)));
  serve(app, who, endpoints.judgeBases, ({ body }) => judgeBases(world, body.references));
  serve(app, who, endpoints.registryUsage, async () => {
    const { repositories, ...rest } = await world.registry.usage();
    return { ...rest, repositories: [...repositories], mirrors: await listMirrors(world) };
  });
  serve(app, who, endpoints.listMirrors, async () => await listMirrors(world));
  serve(app, who, endpoints.showMirror, async ({ params }) => {
    const { images, ...rest } = await showMirror(world, params.name);
    return { ...rest, images: images.map((image) => ({ ...image, tags: image.tags.map((tag) => ({ ...tag })) })) };
  });
  serve(app, who, endpoints.setMirror, async ({ params, body, signal }, by) => await tuneMirror(world, by, params.name, body, signal));
  serve(app, who, endpoints.clearMirror, async ({ params }, by) => await clearMirror(world, by, params.name));
}

type Trust = Awaited<ReturnType<World['upstreamTrust']['list']>>[number];

/** All but the trusted root, which is long and which nobody reads. */
function trustOf({ by, ...rest }: Trust) {
  return { ...rest, ...('publicKey' in by ? { publicKey: by.publicKey } : { identity: by.identity, issuer: by.issuer }) };
}
