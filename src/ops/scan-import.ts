import { isWaybillError } from '../kernel/error.ts';
import type { ScanReport } from '../scan/report.ts';
import { noWaivers } from '../scan/waivers.ts';
import type { ImageImport } from '../registry/imports.ts';
import { keepScan } from './keep-scan.ts';
import type { World } from './world.ts';

/**
 * Looks into what is being imported, before it is signed. It refuses nothing: people have vouched for this digest, and what was found stands in the paper beside
 * their names, where a policy can ask for it.
 */
export async function scanImport(world: World, wanted: ImageImport, layout: string, signal: AbortSignal): Promise<ImageImport> {
  const { scanners } = world.scanning;
  const now = world.clock.now();
  const report = await scanners
    .image(
      { layout, digest: wanted.digest, name: wanted.repository, salt: undefined },
      { signal, log: (text) => world.logger.info({ import: wanted.id, text }, 'an import is being scanned') },
    )
    .then((done) => done.report)
    .catch((error: unknown) => {
      // What is no image of files is imported, too. That nobody could look into it is what the paper then says.
      if (!isWaybillError(error, 'INVALID_INPUT', 'LIMIT_EXCEEDED')) throw error;
      return unreadable(error.detail, now);
    });
  const { digest } = await keepScan(world, report, { level: 'report', waivers: noWaivers });
  return world.imports.setScan(wanted.id, digest);
}

function unreadable(detail: string, now: Date): ScanReport {
  const at = now.toISOString();
  const skipped = [{ path: 'the image', reason: 'unreadable', detail: detail.slice(0, 500) }] as const;
  return {
    version: 1,
    kind: 'image',
    scanner: 'waybill',
    startedAt: at,
    finishedAt: at,
    coverage: { files: 0, bytes: 0, components: 0, skipped, skippedCount: 1, gapCount: 1 },
    findings: [],
  };
}
