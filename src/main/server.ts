import { realpath, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Processes } from '../cli/context.ts';
import { loadConfig, type Config } from '../config/config.ts';
import { openEnvironments } from '../deploy/environment.ts';
import { openPullSecretRecords } from '../deploy/pull-secret-records.ts';
import { openReleases } from '../deploy/releases.ts';
import { createHttp } from '../http/app.ts';
import { openIdentity } from '../identity/identity.ts';
import { findEngine } from '../image/dockerfile/find-engine.ts';
import { systemClock } from '../kernel/clock.ts';
import { messageOf } from '../kernel/error.ts';
import { attestations } from '../ledger/attestations.ts';
import { openLedger } from '../ledger/ledger.ts';
import { collectRegistry } from '../ops/collect-registry.ts';
import { inspectPush } from '../ops/inspect-push.ts';
import { recoverImports } from '../ops/import-image.ts';
import { propose } from '../ops/propose.ts';
import { recordRefusal } from '../ops/record-refusal.ts';
import { recoverRuns } from '../ops/recover-runs.ts';
import { scanHistories } from '../ops/scan-history.ts';
import { startInitial } from '../ops/start-initial.ts';
import type { World } from '../ops/world.ts';
import { openImports } from '../registry/imports.ts';
import { openExternalRegistries } from '../registry/external/external-registries.ts';
import type { RegistryLimits } from '../registry/limits.ts';
import { openUpstreamTrust } from '../registry/upstream-trust.ts';
import { openRegistry, type Grant } from '../registry/registry.ts';
import { createEngine, type Engine } from '../run/engine.ts';
import { openJournal } from '../run/journal.ts';
import { openLogs } from '../run/logs.ts';
import { Semaphore } from '../run/semaphore.ts';
import { openFilteredNetwork } from '../runner/host/network.ts';
import { openHostRunner } from '../runner/host/open.ts';
import { databaseStates, openDatabase } from '../scan/advisories/database.ts';
import { openScanDocuments } from '../scan/documents.ts';
import { openInventory } from '../scan/inventory/inventory.ts';
import { openHistories } from '../scan/histories.ts';
import { openSecrets } from '../secrets/secrets.ts';
import { openLocalSource, type LocalSource } from '../source/local/local-source.ts';
import { openStore } from '../store/store.ts';
import { serveControl } from './control.ts';
import { makeDoors } from './doors.ts';
import { processLogger } from './logger.ts';
import { startSigner } from './managed-signer.ts';
import { connectSigner } from '../evidence/signer/client.ts';
import { migrations } from './migrations.ts';
import { registryNameOf, urlOf } from './names.ts';
import { openPapersOffice } from './papers-office.ts';
import { openScanners } from './scanners.ts';
import { bringAdvisories } from './bring-advisories.ts';
import { keepAdvisories } from './keep-advisories.ts';
import { serverPerformers } from './performers.ts';
import { keepInventory, Wake } from './keep-inventory.ts';
import { keepLooking } from './keep-looking.ts';
import { keepPullSecrets } from './keep-pull-secrets.ts';
import { loadPolicies } from './policies.ts';
import { privateFolder } from './private-folder.ts';
import { SharedLock } from './shared-lock.ts';
import { readOrigin } from './signer-files.ts';
import { openTargets } from './targets.ts';
import { findToolchains } from './toolchains.ts';

const sealEveryMs = 10 * 60_000;

/** The server: wires every part once, serves until aborted, and takes everything down in the reverse order. Long since it is one list, which must be read in its order. */
export async function server(
  options: Parameters<Processes['server']>[0] & { environment: NodeJS.ProcessEnv; version: string },
): Promise<void> {
  const { signal, environment } = options;
  const config = await loadConfig(options.data);
  const { folders } = config;
  const logger = processLogger('server');
  const clock = systemClock;
  const url = urlOf(config);
  const registryName = registryNameOf(config);
  await using stack = new AsyncDisposableStack();

  const real = await realpath(folders.data);
  await privateFolder(real, real);
  await privateFolder(path.dirname(folders.sockets.control), folders.data);
  // What moves refs and rows together shares it; a backup has it alone for the moment in which it copies both.
  const moving = new SharedLock();
  stack.use(await serveControl(folders.sockets.control, () => moving.alone()));

  const doors = stack.use(await makeDoors(config, logger));
  const store = stack.use(openStore(folders.storeFile));
  const applied = await store.migrate(migrations);
  if (applied.length > 0) logger.info({ applied }, 'the database was migrated');
  const secrets = await openSecrets(store, folders.masterKeyFile);
  const identity = openIdentity(store, clock);
  const ledger = await openLedger(store, clock, await readOrigin(folders.signer));
  const journal = openJournal(store, clock);
  const logs = openLogs(folders.logs);
  const signer = config.signer.managed
    ? stack.use(await startSigner({ cli: process.argv[1] ?? '', data: folders.data, socket: folders.sockets.signer, logger, environment }))
    : connectSigner(folders.sockets.signer);
  const papers = await openPapersOffice(signer, ledger, folders.admission);

  const tools = findToolchains(environment['PATH'] ?? '', ['node', 'npm']);
  const runner = stack.use(
    await openHostRunner({
      folder: folders.work,
      logger,
      clock,
      toolchains: [...tools.folders, ...config.runner.toolchains],
      path: [...config.runner.path, ...tools.path, '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(':'),
      allowAddresses: config.runner.allowAddresses,
      unsafeNoSandbox: config.runner.unsafeNoSandbox,
    }),
  );
  const externals = openExternalRegistries({ store, secrets, clock });
  const registry = stack.use(
    await openRegistry({
      store,
      folder: folders.registry,
      clock,
      logger,
      service: registryName,
      realm: `${url}/registry/token`,
      async authenticate(username, password) {
        const person = await identity.authenticateBasic(username, password);
        return person && { person: person.id, admin: person.role === 'admin' };
      },
      async onGrant(grant) {
        const subject = subjectOf(grant);
        await ledger.append({ kind: 'grant', subject, body: JSON.parse(JSON.stringify(grant)) });
      },
      quota: definedOf(config.registry.quota),
      limits: registryLimits(config),
      behindProxy: config.server.behindProxy,
      mirror: { folder: folders.mirror, externals, anyAddress: config.registry.upstreams },
      onRefusal: (refusal) => refused(`${refusal.action} of ${refusal.repository} by ${refusal.holder}`, refusal.reason),
    }),
  );
  const refused = (what: string, detail: string) => {
    recordRefusal({ ledger, logger }, what, detail).catch((error: unknown) =>
      logger.error({ error: messageOf(error) }, 'a refusal could not be recorded'),
    );
  };

  let engine: Engine | undefined;
  const { defaultPolicy, policies } = await loadPolicies(folders.data, registryName, config.review.approvals);
  const environments = openEnvironments(store, secrets, clock);
  const locks = new Map<string, Semaphore>();
  const source: LocalSource = stack.use(
    await openLocalSource({
      store,
      identity,
      folder: folders.repositories,
      hookSocket: folders.sockets.hooks,
      node: process.execPath,
      clock,
      logger,
      requiredApprovals: config.review.approvals,
      hold: () => moving.share(),
      onProposed: (change, version) => propose(world, change, version),
      onInitialPush: async (push) => startInitial(world, { ...push, tree: await source.treeOf(push.repository, push.commit) }),
      inspectPush: (push) => inspectPush({ clock, scanner: 'waybill server', logger }, push),
      onRefused: (refusal) => refused(`push to ${refusal.ref} of ${refusal.repository} by ${refusal.person}`, refusal.reason),
    }),
  );
  const wake = new Wake();
  const asked = new Wake();
  const world: World = {
    clock,
    logger,
    store,
    identity,
    source,
    ledger,
    attestations: attestations(store, clock),
    papers,
    journal,
    logs,
    runner,
    dockerfileEngine: (waiting) =>
      findEngine({
        environment,
        confinedOnly: !config.runner.unsafeNoSandbox,
        openNetwork: (each) => openFilteredNetwork(process.geteuid?.() === 0, config.runner.allowAddresses, each),
        signal: waiting,
      }),
    engine: () => {
      if (!engine) throw new Error('the engine is asked for before it is there');
      return engine;
    },
    registry,
    pullSecretMs: config.registry.pullSecretDays * 24 * 3_600_000,
    imports: openImports(store, clock),
    importAsked: () => asked.call(),
    upstreamTrust: openUpstreamTrust(store, clock),
    upstreams: config.registry.upstreams,
    requiredApprovals: config.review.approvals,
    externals,
    basePolicy: config.bases,
    retention: config.registry.keep,
    scanning: {
      scanners: openScanners({ config, source, clock, version: options.version, searchPath: environment['PATH'] ?? '' }),
      documents: openScanDocuments(store, clock),
      inventory: openInventory(store, clock),
      openAdvisories: () => openDatabase(folders.advisories),
      matching: new Semaphore(1),
      histories: openHistories(store, clock),
      databaseDays: config.scan.databaseDays,
      advisoryStates: () => databaseStates(folders.advisories),
      updateAdvisories: (until) => bringAdvisories(config, until),
      advisoriesChanged: () => wake.call(),
    },
    environments,
    releases: openReleases(store, clock),
    pullSecrets: openPullSecretRecords(store, clock),
    lockEnvironment(name, waiting) {
      const lock = locks.get(name) ?? new Semaphore(1);
      locks.set(name, lock);
      return lock.acquire(waiting);
    },
    target: openTargets({ environments, folder: path.join(folders.work, 'local'), environment }),
    policies,
    defaultPolicy,
    url,
    registryName,
    registryAddress: doors.own,
    workFolder: folders.work,
  };
  engine = stack.use(
    createEngine({
      journal,
      logs,
      runner,
      clock,
      logger,
      performers: serverPerformers(world, journal),
      source: async ({ head }, abort) => ({ tar: await source.archive(head.repository, head.commit, abort) }),
      slots: config.runner.slots ?? availableParallelism(),
    }),
  );
  await rm(path.join(folders.work, 'images'), { recursive: true, force: true });

  const app = await createHttp(world);
  doors.onRequest((request, response) => app.handle(request, response));
  stack.use(await doors.open());
  // Pushes of an image go through our own address: recovery comes after listening.
  await recoverRuns(world);
  void recoverImports(world, signal);
  // A signer that refuses (a clock that was wrong once, a damaged state file) must not keep everything else down: known entries still hold.
  const seal = () => papers.seal().catch((error: unknown) => logger.error({ error: messageOf(error) }, 'the snapshot could not be sealed'));
  await seal();
  const sealing = setInterval(seal, sealEveryMs);
  stack.defer(() => clearInterval(sealing));
  if (config.registry.collectEveryHours > 0) {
    const collect = () =>
      collectRegistry(world, 'timer', { dryRun: false, signal }).catch((error: unknown) =>
        logger.error({ error: messageOf(error) }, 'the registry could not be collected'),
      );
    const collecting = setInterval(collect, config.registry.collectEveryHours * 3_600_000);
    stack.defer(() => clearInterval(collecting));
  }
  const leaving = new AbortController();
  const until = AbortSignal.any([signal, leaving.signal]);
  const keeping = Promise.all([keepPullSecrets(world, until), keepInventory(world, wake, until), keepLooking(world, asked, until)]);
  stack.defer(async () => {
    leaving.abort();
    await keeping;
  });
  if (config.scan.historyEveryHours > 0) {
    const look = () => void scanHistories(world, 'timer', signal);
    const looking = setInterval(look, config.scan.historyEveryHours * 3_600_000);
    stack.defer(() => clearInterval(looking));
  }
  if (config.scan.advisories.everyHours > 0) stack.use(keepAdvisories(world, config.scan.advisories.everyHours * 3_600_000, signal));
  const isolation = await runner.isolation();
  if (!isolation.ok) logger.warn({ reason: isolation.reason }, 'no isolation works here: unreviewed code is refused');

  options.onReady(url);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  logger.info({}, 'stopping');
}

function registryLimits({ registry: { limits, requestsPerSecond } }: Config): Partial<RegistryLimits> {
  return {
    requestsPerSecond,
    blobBytes: limits.blobBytes,
    uploads: limits.uploads,
    uploadIdleMs: limits.uploadIdleMinutes * 60_000,
    idleMs: limits.idleSeconds * 1000,
    bytesPerSecond: limits.bytesPerSecond,
    requestMs: limits.requestMinutes * 60_000,
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function definedOf<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Defined<T>;
}

/** By what a grant is found in the ledger. */
function subjectOf(grant: Grant): string[] {
  switch (grant.kind) {
    case 'push':
      return [grant.repository, 'run' in grant ? `run:${grant.run}` : `import:${grant.import}`];
    case 'read':
      return [grant.repository, `run:${grant.run}`];
    case 'pull':
      return [`environment:${grant.environment}`];
    default:
      return [...grant.repositories];
  }
}
