import { setImmediate as breathe } from 'node:timers/promises';
import { digestOf } from '../../kernel/digest.ts';
import type { Component, Inventory } from '../component.ts';
import type { DatabaseState, Skipped } from '../coverage.ts';
import type { VulnerabilityFinding } from '../finding.ts';
import { packageKey } from './advisory.ts';
import { boundVersion, judgeVersion, type BoundVersion } from './affected.ts';
import type { AdvisoryDatabase, OpenEcosystem } from './database.ts';
import { ecosystemOf, releaseOf, splitEcosystem, type Ecosystem } from './ecosystems.ts';
import type { AdvisoryRef } from './index-format.ts';
import { mergeNames } from './merge-names.ts';
import { pathFinder } from './paths.ts';
import { vulnerabilityOf, type Hit } from './vulnerability.ts';
import type { VersionOrder } from './versions/order.ts';

export type Matches = {
  /** Worst first, then by key and purl. */
  readonly findings: readonly VulnerabilityFinding[];
  /** One for each ecosystem that occurs, with its release where advisories are about releases. */
  readonly databases: readonly DatabaseState[];
  /** Components of which it cannot be said whether they are affected. */
  readonly skipped: readonly Skipped[];
};

/**
 * Looks up every component. It says "not affected" only where versions could be compared: anything else is in `skipped`, or has a database of 0 advisories.
 * @throws WaybillError STORE_FAILED when the database is damaged; what the signal aborts with
 */
export async function matchComponents(input: { inventory: Inventory; database: AdvisoryDatabase; signal: AbortSignal }): Promise<Matches> {
  const { inventory, database, signal } = input;
  const pathsOf = pathFinder(inventory);
  const states = new Map<string, DatabaseState>();
  const findings: VulnerabilityFinding[] = [];
  const skipped: Skipped[] = [];
  let last = performance.now();
  for (const component of inventory.components) {
    if (performance.now() - last > 10) {
      await breathe();
      signal.throwIfAborted();
      last = performance.now();
    }
    const { base, suffix } = splitEcosystem(component.ecosystem);
    const ecosystem = ecosystemOf(base);
    const open = database.ecosystems.get(base);
    const release = ecosystem ? releaseOf(ecosystem, suffix) : '';
    const name = ecosystem?.releaseOf ? component.ecosystem : base;
    if (!states.has(name)) states.set(name, stateOf(name, ecosystem, release, open));
    if (!ecosystem || !open) continue;
    const { hits, unknown } = lookUp(component, ecosystem, release, open);
    for (const merged of mergeNames(hits)) findings.push(vulnerabilityOf(component, merged, ecosystem.order, pathsOf));
    if (unknown.length > 0) skipped.push(gap(component, ecosystem.order, unknown));
  }
  signal.throwIfAborted();
  return {
    findings: findings.sort(worstFirst),
    databases: [...states.values()].sort((a, b) => (a.ecosystem < b.ecosystem ? -1 : 1)),
    skipped,
  };
}

function stateOf(name: string, ecosystem: Ecosystem | undefined, release: string, open: OpenEcosystem | undefined): DatabaseState {
  if (!ecosystem || !open) return { ecosystem: name, advisories: 0, digest: digestOf(''), updatedAt: new Date(0).toISOString() };
  const { state, index } = open;
  // Without advisories about just this release, none would ever be found in it.
  const advisories = ecosystem.releaseOf ? (index.meta.releases[release] ?? 0) : state.advisories;
  return { ecosystem: name, advisories, digest: state.digest, updatedAt: state.updatedAt };
}

type Found = { readonly hits: readonly Hit[]; readonly unknown: readonly string[] };

function lookUp(component: Component, ecosystem: Ecosystem, release: string, { index }: OpenEcosystem): Found {
  const hits = new Map<string, Hit>();
  const unknown = new Set<string>();
  const read = (ref: AdvisoryRef) => index.advisory(ref);
  for (const { name, version } of subjects(component, ecosystem)) {
    let bound: BoundVersion | undefined;
    for (const key of release === '' ? [packageKey('', name)] : [packageKey(release, name), packageKey('', name)]) {
      for (const { ref, affected } of index.packageAdvisories(key)) {
        bound ??= boundVersion(ecosystem.order, version);
        const judgement = judgeVersion(bound, affected);
        if (judgement === 'unaffected') continue;
        const advisory = read(ref);
        if (judgement === 'unknown') unknown.add(advisory.id);
        else hits.set(`${ref[0]} ${JSON.stringify(affected)}`, { advisory, affected, bound });
      }
    }
  }
  return { hits: [...hits.values()], unknown: [...unknown] };
}

/** Advisories of distributions are about source packages; those of rpm's also about the packages that are installed. */
function subjects({ name, version, source }: Component, ecosystem: Ecosystem): readonly { name: string; version: string }[] {
  const own = { name: ecosystem.nameOf(name), version };
  if (!source) return [own];
  const of = { name: ecosystem.nameOf(source.name), version: source.version };
  return ecosystem.binaries && of.name !== own.name ? [of, own] : [of];
}

function gap({ name, version, source, places }: Component, order: VersionOrder, unknown: readonly string[]): Skipped {
  const used = source?.version ?? version;
  const ids = unknown.length > 3 ? `${unknown.slice(0, 3).join(', ')} and ${unknown.length - 3} more` : unknown.join(', ');
  const why = order.bind(used)
    ? 'they say nothing that can be compared'
    : `${JSON.stringify(used.slice(0, 100))} is no version in the order of ${order.scheme}`;
  return {
    path: `${places[0]?.path ?? '.'} → ${name}@${used.slice(0, 100)}`,
    reason: 'unknown-format',
    detail: `whether ${ids} ${unknown.length === 1 ? 'applies' : 'apply'} is unknown: ${why}`,
  };
}

const ranks = { critical: 0, unknown: 1, high: 2, medium: 3, low: 4 } as const;

function worstFirst(a: VulnerabilityFinding, b: VulnerabilityFinding): number {
  return ranks[a.severity] - ranks[b.severity] || (a.key < b.key ? -1 : a.key > b.key ? 1 : a.purl < b.purl ? -1 : 1);
}
