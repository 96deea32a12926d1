import { judgeObject } from '../admission/judge-object.ts';
import { imagesOf, kindOf } from '../admission/images.ts';
import { indexSnapshot, noKnowledge } from '../admission/snapshot-index.ts';
import { requireForward } from '../deploy/forward-only.ts';
import { loadManifests } from '../deploy/manifests/load.ts';
import { manifestDigest } from '../deploy/manifests/manifest-digest.ts';
import { rewriteImages } from '../deploy/manifests/rewrite-images.ts';
import { stamp } from '../deploy/manifests/stamp.ts';
import { wirePullSecret } from '../deploy/manifests/wire-pull-secret.ts';
import type { LoadedObject } from '../deploy/manifests/loaded-object.ts';
import { pullSecretName } from '../deploy/pull-secret.ts';
import type { Environment } from '../deploy/environment.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Digest } from '../kernel/digest.ts';
import type { PlannedDeploy } from '../plan/plan.ts';
import { policyFor } from '../policy/evidence-policy.ts';
import { renderVerdict } from '../policy/render.ts';
import { externalReference } from '../registry/external/naming.ts';
import type { ExternalRegistry } from '../registry/external/record.ts';
import type { RunContext } from '../run/port.ts';
import { describeSubject } from '../admission/subject.ts';
import { compareDeploy } from './compare-deploy.ts';
import { demandExternal, makePullSecret } from './make-pull-secret.ts';
import { pinImports } from './pin-imports.ts';
import { recordRefusal } from './record-refusal.ts';
import { recordRelease } from './record-release.ts';
import type { World } from './world.ts';

const largestManifest = 4 * 1024 * 1024;

/**
 * Deploys the manifests of the merged commit with the digests that this run has built: rendered, judged as the gate will judge them,
 * applied, and waited for. Forward only; one release at a time in an environment.
 */
export async function deployRelease(world: World, context: RunContext, deploy: PlannedDeploy): Promise<{ endpoints: readonly string[] }> {
  const { head, run, signal } = context;
  if (!head.reviewed) throw new WaybillError('FORBIDDEN', `commit ${head.commit} was not reviewed; nothing is deployed from it`);
  const progress = (line: string) => context.log('waybill', line);
  const environment = await world.environments.get(deploy.environment);
  if (!environment) {
    throw new WaybillError('NOT_FOUND', `there is no environment ${deploy.environment}`, {
      fix: `An administrator adds it: waybill environment add ${deploy.environment} --kubeconfig FILE --namespace NAME, or --local.`,
    });
  }
  using _lock = await world.lockEnvironment(environment.name, signal);
  const digests = await builtImages(context);
  const external = environment.registry === undefined ? undefined : await demandExternal(world, environment);
  const { loaded: rendered, repositories } = await render(world, context, deploy, environment, digests, external);

  const current = await world.releases.current(environment.name, head.repository);
  await requireForward(current?.commit, head.commit, (a, b) => world.source.isAncestor(head.repository, a, b), false);
  await compareDeploy(world, context, deploy, current);
  await judge(world, environment, rendered, progress, external);

  await using target = await world.target(environment);
  const ready = await target.preflight({ signal });
  if (!ready.ok) throw new WaybillError('CONFLICT', `${environment.name} cannot take a release: ${ready.reason}`);

  const release = await world.releases.start({
    environment: environment.name,
    repository: head.repository,
    run,
    commit: head.commit,
    digests: Object.fromEntries([...digests].map(([name, image]) => [name, image.digest])),
    manifestDigest: manifestDigest(rendered),
    rollback: false,
  });
  try {
    const pull = await makePullSecret(world, environment, repositories);
    const objects = rendered.map((loaded) => loaded.object);
    const applied = await target.apply(objects, { pullSecret: pull.secret, signal, onProgress: progress });
    await world.pullSecrets.written(environment.name, pull);
    const readiness = await target.waitReady(applied, { signal, timeoutMs: deploy.timeoutMs, onProgress: progress });
    if (!readiness.ready) throw new WaybillError('DEPLOY_FAILED', readiness.why);
    await recordRelease(world, await world.releases.finish(release.id, { status: 'ready' }), environment.namespace);
    return {
      endpoints: readiness.endpoints.flatMap((endpoint) =>
        endpoint.url === undefined ? [`${endpoint.name}:${endpoint.port}`] : [endpoint.url],
      ),
    };
  } catch (error) {
    // The record of a release that is ready may have failed: it stays ready.
    if ((await world.releases.get(release.id))?.status === 'started') {
      const why = error instanceof Error ? error.message : String(error);
      await recordRelease(world, await world.releases.finish(release.id, { status: 'failed', why }), environment.namespace);
    }
    throw error;
  }
}

type BuiltImage = { readonly repository: string; readonly digest: Digest; readonly published: readonly string[] };

async function builtImages(context: RunContext): Promise<ReadonlyMap<string, BuiltImage>> {
  const { images } = await context.state();
  return new Map(
    images.flatMap(({ name, repository, digest, status, published = [] }) =>
      status === 'passed' && repository !== undefined && digest !== undefined ? [[name, { repository, digest, published }]] : [],
    ),
  );
}

async function render(
  world: World,
  { head, run }: RunContext,
  deploy: PlannedDeploy,
  environment: Environment,
  images: ReadonlyMap<string, BuiltImage>,
  external: ExternalRegistry | undefined,
): Promise<Awaited<ReturnType<typeof pinImports>>> {
  const files = new Map<string, string>();
  const place = deploy.manifests.replace(/\/+$/, '');
  const below = await world.source.listFiles(head.repository, head.commit, place === '.' ? '' : place);
  for (const file of below.length > 0 ? below : [place]) {
    if (!/\.(ya?ml|json)$/i.test(file)) continue;
    const content = await world.source.readFile(head.repository, head.commit, file, { maxBytes: largestManifest });
    if (content) files.set(file, content.toString('utf8'));
  }
  if (files.size === 0)
    throw new WaybillError('NOT_FOUND', `there is no manifest at ${deploy.manifests} in commit ${head.commit.slice(0, 12)}`);
  const pinned: Record<string, string> = {};
  const own = external ? [] : [...images.values()].map((image) => image.repository);
  for (const [reference, name] of Object.entries(deploy.images)) {
    const image = images.get(name);
    if (!image) throw new WaybillError('NOT_FOUND', `this run has not built an image ${name}`);
    pinned[reference] = external
      ? copyOf(external, environment, head.repository, name, image)
      : `${world.registryName}/${image.repository}@${image.digest}`;
  }
  const { loaded, repositories } = await pinImports(world, rewriteImages(loadManifests(files), pinned));
  const stamped = stamp(loaded, { run, commit: head.commit, repository: head.repository, environment });
  return { loaded: wirePullSecret(stamped, pullSecretName, environment.pullSecretOn), repositories: [...own, ...repositories] };
}

/** The reference of the copy that this run has made at the environment's registry. @throws WaybillError CONFLICT when it has made none */
function copyOf(record: ExternalRegistry, environment: Environment, repository: string, name: string, image: BuiltImage): string {
  const reference = externalReference(record, repository, name, image.digest);
  if (!image.published.includes(reference))
    throw new WaybillError(
      'CONFLICT',
      `this run has not copied the image ${name} to ${record.name}, from which ${environment.name} is deployed`,
      {
        fix: `Add \`publish: [${record.name}]\` to the image ${name} in the pipeline file, or let the environment be deployed from Waybill's own registry: waybill environment change ${environment.name} --own-registry.`,
      },
    );
  return reference;
}

/** What a policy has to say so that copies at this registry are judged, and not refused for their place. */
function placeOf(external: ExternalRegistry | undefined, { namespace }: Environment): string {
  if (!external) return '';
  const place = external.prefix === undefined ? external.server : `${external.server}/${external.prefix}`;
  return ` The policy of the namespace ${namespace} judges copies at ${external.name} when it has copies: [{ registry: ${place}, naming: ${external.naming} }].`;
}

/** The same verdict that the gate will give, before anything is touched. */
async function judge(
  world: World,
  environment: Environment,
  rendered: readonly LoadedObject[],
  progress: (line: string) => void,
  external: ExternalRegistry | undefined,
): Promise<void> {
  const policy = policyFor(await world.policies(), environment.namespace);
  if (policy === 'exempt')
    throw new WaybillError('FORBIDDEN', `the namespace ${environment.namespace} is exempt from the gate; Waybill deploys nothing there`);
  const known = await world.papers.snapshot();
  const knowledge = known ? indexSnapshot(known.snapshot).knowledge(world.clock.now()) : noKnowledge;
  for (const { object, file, line } of rendered) {
    const kind = kindOf(object);
    if (!kind) continue;
    const verdict = judgeObject(imagesOf(object, kind, []), policy, knowledge, world.clock.now());
    const subject = describeSubject(object, kind.kind, environment.namespace, object.metadata.name);
    await world.ledger.append({
      kind: 'verdict',
      subject: [`environment:${environment.name}`],
      body: { subject, decision: verdict.decision, reasons: verdict.reasons.map((reason) => ({ ...reason })) },
    });
    if (verdict.decision === 'allow') {
      progress(`allowed: ${subject}`);
      continue;
    }
    const text = `${file}:${line}: ${renderVerdict(verdict, subject)}${verdict.reasons.some((each) => each.rule === 'registry') ? placeOf(external, environment) : ''}`;
    progress(text);
    if (verdict.decision === 'deny') {
      await recordRefusal(world, `deploy to ${environment.name}`, text);
      throw new WaybillError('ADMISSION_DENIED', text);
    }
  }
}
