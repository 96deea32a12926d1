import type { Component } from '../component.ts';
import { packageKey } from './advisory.ts';
import type { AdvisoryDatabase } from './database.ts';
import { ecosystemOf, releaseOf, splitEcosystem } from './ecosystems.ts';

/**
 * How much the advisories know about a package of a distribution: something about itself, be it of other versions; something about its release; or nothing at all.
 * @throws WaybillError STORE_FAILED when they are damaged
 */
export function speaksOf(database: AdvisoryDatabase, { ecosystem: full, name, source }: Component): 'package' | 'release' | 'nothing' {
  const { base, suffix } = splitEcosystem(full);
  const ecosystem = ecosystemOf(base);
  const open = database.ecosystems.get(base);
  if (!ecosystem?.releaseOf || !open) return 'nothing';
  const release = releaseOf(ecosystem, suffix);
  const { index } = open;
  if ((index.meta.releases[release] ?? 0) === 0) return 'nothing';
  const about = ecosystem.nameOf(source?.name ?? name);
  const isKnown = [release, ''].some((each) => index.packageAdvisories(packageKey(each, about)).length > 0);
  return isKnown ? 'package' : 'release';
}
