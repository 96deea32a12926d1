import type { Person } from '../identity/person.ts';
import type { CheckOptions, CheckReport } from '../registry/check.ts';
import type { MirrorCheck } from '../registry/mirror/check.ts';
import type { World } from './world.ts';

/** Looks for damage in the registry; what was found, and what was moved out of sight or dropped from the cache, is in the ledger. */
export async function checkRegistry(
  world: World,
  by: Person,
  options: Omit<CheckOptions, 'onProgress'>,
): Promise<CheckReport & { readonly mirrored: MirrorCheck }> {
  const report = await world.registry.check(options);
  const mirrored = (await world.registry.mirrors?.check(options)) ?? { blobs: 0, dropped: [] };
  if (report.damages.length > 0 || mirrored.dropped.length > 0)
    await world.ledger.append({
      kind: 'admin',
      subject: report.damages.slice(0, 100).map((damage) => damage.digest),
      body: {
        act: 'registry-checked',
        by: by.id,
        damages: report.damages.slice(0, 1_000).map(({ kind, digest }) => `${kind} ${digest}`),
        mirrored: mirrored.dropped.slice(0, 1_000).map(({ server, digest }) => `${server} ${digest}`),
        quarantined: report.damages.filter((damage) => damage.quarantined !== undefined).length,
      },
    });
  return { ...report, mirrored };
}
