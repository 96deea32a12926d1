import { boundVersion, judgeVersion, type Affected, type BoundVersion } from './affected.ts';
import type { VersionOrder } from './versions/order.ts';

const mostNamed = 10;

/**
 * Versions that fix it, the nearest to the one in use first, which is one of the same major version where there is one. A version counts only when no entry
 * calls it affected again.
 */
export function fixedVersions(order: VersionOrder, bound: BoundVersion, entries: readonly Affected[]): readonly string[] {
  const candidates = new Set<string>();
  for (const { r = [] } of entries)
    for (const [type, ...events] of r) {
      const compare = type === 'S' ? bound.semver : bound.ecosystem;
      for (const event of events) {
        const version = event.slice(1);
        // Without an order nobody knows which is nearest, but each is worth naming.
        if (event.startsWith('f') && (compare?.(version) ?? -1) < 0) candidates.add(version);
      }
    }
  return [...candidates]
    .filter((version) => entries.every((entry) => judgeVersion(boundVersion(order, version), entry) === 'unaffected'))
    .sort((a, b) => order.bind(a)?.(b) ?? 0)
    .slice(0, mostNamed);
}

/** The last version that is known to be affected where none is known to fix it. */
export function lastAffected(order: VersionOrder, bound: BoundVersion, entries: readonly Affected[]): string | undefined {
  const versions = entries.flatMap(({ r = [] }) => r.flatMap(([, ...events]) => events.filter((event) => event.startsWith('l'))));
  return versions
    .map((event) => event.slice(1))
    .filter((version) => (bound.ecosystem?.(version) ?? 1) <= 0)
    .sort((a, b) => order.bind(b)?.(a) ?? 0)[0];
}
