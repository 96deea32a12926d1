import type { JudgedFinding } from './finding.ts';
import type { ScanKind } from './report.ts';
import type { Waiver, Waivers } from './waivers.ts';

export type NamedWaiver = Waiver & { readonly what: string; readonly entry: object };

/** The waiver that is about a finding, whether or not it still holds; of several, the one that holds longest. */
export function findWaiver(waivers: Waivers, finding: JudgedFinding): NamedWaiver | undefined {
  const entries = candidates(waivers, finding);
  const [first, ...rest] = entries;
  return first && rest.reduce((best, next) => (next.expires > best.expires ? next : best), first);
}

function candidates(waivers: Waivers, finding: JudgedFinding): readonly NamedWaiver[] {
  switch (finding.kind) {
    case 'secret':
      return waivers.secrets.filter((entry) => entry.rule === finding.rule && entry.fingerprint === finding.fingerprint).map(secret);
    case 'vulnerability': {
      const ids = new Set([finding.id, ...finding.aliases].map((id) => id.toUpperCase()));
      const names = new Set([finding.package, finding.purl, finding.purl.replace(/@[^@/]*$/, '')]);
      return waivers.vulnerabilities
        .filter((entry) => ids.has(entry.id.toUpperCase()) && (entry.package === undefined || names.has(entry.package)))
        .map(vulnerability);
    }
    case 'image':
      return waivers.image
        .filter(
          (entry) =>
            entry.rule === finding.rule && (entry.path === undefined || finding.places.every((place) => place.path === entry.path)),
        )
        .map(image);
    case 'gap':
      return waivers.gaps.filter((entry) => finding.places.every((place) => place.path === entry.path)).map(gap);
  }
}

const secret = (entry: Waivers['secrets'][number]): NamedWaiver => ({
  ...entry,
  what: `${entry.rule} (${entry.fingerprint.slice(0, 12)}…)`,
  entry,
});
const vulnerability = (entry: Waivers['vulnerabilities'][number]): NamedWaiver => ({
  ...entry,
  what: entry.package === undefined ? entry.id : `${entry.id} in ${entry.package}`,
  entry,
});
const image = (entry: Waivers['image'][number]): NamedWaiver => ({
  ...entry,
  what: entry.path === undefined ? entry.rule : `${entry.rule} at ${entry.path}`,
  entry,
});
const gap = (entry: Waivers['gaps'][number]): NamedWaiver => ({ ...entry, what: `what was not looked at in ${entry.path}`, entry });

/** Waivers about what this kind of scan looks for that met nothing. */
export function unusedWaivers(waivers: Waivers, kind: ScanKind, used: ReadonlySet<object>): readonly string[] {
  const named: readonly NamedWaiver[] =
    kind === 'secrets'
      ? waivers.secrets.map(secret)
      : kind === 'dependencies'
        ? waivers.vulnerabilities.map(vulnerability)
        : waivers.image.map(image);
  return named.filter(({ entry }) => !used.has(entry)).map(({ what, owner }) => `${what} (${owner})`);
}
