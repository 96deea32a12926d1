import type { Environments, Environment } from '../deploy/environment.ts';
import type { Target } from '../deploy/port.ts';
import type { PullSecretRecords } from '../deploy/pull-secret-records.ts';
import type { Releases } from '../deploy/releases.ts';
import type { DockerfileEngine } from '../image/dockerfile/engine.ts';
import type { Identity } from '../identity/identity.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Attestations } from '../ledger/attestations.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { BasePolicy } from '../policy/base-policy.ts';
import type { EvidencePolicy, PolicySet } from '../policy/evidence-policy.ts';
import type { Imports } from '../registry/imports.ts';
import type { UpstreamTrust } from '../registry/upstream-trust.ts';
import type { ExternalRegistries } from '../registry/external/external-registries.ts';
import type { Registry } from '../registry/registry.ts';
import type { Engine } from '../run/engine.ts';
import type { Journal } from '../run/journal.ts';
import type { Logs } from '../run/logs.ts';
import type { Semaphore } from '../run/semaphore.ts';
import type { Runner } from '../runner/port.ts';
import type { LocalSource } from '../source/local/local-source.ts';
import type { Store } from '../store/store.ts';
import type { PapersOffice } from './papers-office.ts';
import type { AdvisoryDatabase } from '../scan/advisories/database.ts';
import type { EcosystemState } from '../scan/advisories/database-state.ts';
import type { EcosystemUpdate } from '../scan/advisories/update.ts';
import type { ScanDocuments } from '../scan/documents.ts';
import type { Inventory } from '../scan/inventory/inventory.ts';
import type { Histories } from '../scan/histories.ts';
import type { Retention } from './retention.ts';
import type { Scanners } from './scanners.ts';

export type Scanning = {
  readonly scanners: Scanners;
  /** Records and lists of components, by digest. */
  readonly documents: ScanDocuments;
  /** What every image consists of. */
  readonly inventory: Inventory;
  /** As they are on disk now. */
  openAdvisories(): Promise<AdvisoryDatabase>;
  /** Who looks images up again: one at a time. */
  readonly matching: Semaphore;
  readonly histories: Histories;
  advisoryStates(): Promise<readonly EcosystemState[]>;
  /** From where the configuration says; one at a time. */
  updateAdvisories(signal: AbortSignal): Promise<readonly EcosystemUpdate[]>;
  /** Wakes whoever looks images up again, after an update that did not fail; returns at once. */
  advisoriesChanged(): void;
  /** How old the advisories of an ecosystem may be. */
  readonly databaseDays: number;
};

/** Everything that an operation may use, wired once by `main`. It holds no key: signing, pushing and deploying go through their owners. */
export type World = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Store;
  readonly identity: Identity;
  readonly source: LocalSource;
  readonly ledger: Ledger;
  readonly attestations: Attestations;
  readonly papers: PapersOffice;
  readonly journal: Journal;
  readonly logs: Logs;
  /** What builds Dockerfiles here. @throws WaybillError MISSING_PROGRAM when nothing that can be confined answers */
  dockerfileEngine(signal: AbortSignal): Promise<DockerfileEngine>;
  readonly runner: Runner & { readonly sandboxed: boolean };
  /** The engine needs performers that need the world: asked for when it is used. */
  engine(): Engine;
  readonly registry: Registry;
  /** How long a generation of an environment's pull secret holds. */
  readonly pullSecretMs: number;
  readonly imports: Imports;
  /** Wakes whoever looks into images that were asked for; returns at once. */
  importAsked(): void;
  /** Whose signatures are trusted for images of other registries. */
  readonly upstreamTrust: UpstreamTrust;
  /** Hosts of registries that images may be imported from although their addresses are private. */
  readonly upstreams: readonly string[];
  /** How many people must approve a change, or an import. */
  readonly requiredApprovals: number;
  /** Which bases images may be built upon; undefined: every base with papers. */
  readonly basePolicy: BasePolicy | undefined;
  /** Registries that the company has. */
  readonly externals: ExternalRegistries;
  /** What a collection of the registry keeps. */
  readonly retention: Retention;
  readonly scanning: Scanning;
  readonly environments: Environments;
  readonly releases: Releases;
  /** When each environment got its pull secret, until when it holds, and whether it could be renewed. */
  readonly pullSecrets: PullSecretRecords;
  /** One release at a time in an environment; later ones wait in order. */
  lockEnvironment(name: string, signal: AbortSignal): Promise<Disposable>;
  target(environment: Environment): Promise<Target>;
  policies(): Promise<PolicySet>;
  readonly defaultPolicy: EvidencePolicy;
  /** How people reach the server. */
  readonly url: string;
  /** `host:port` as it stands in references to images. */
  readonly registryName: string;
  /** `host:port` where this process reaches its own registry, by plain HTTP and past any proxy. */
  readonly registryAddress: string;
  /** Thrown away at a restart. */
  readonly workFolder: string;
};
