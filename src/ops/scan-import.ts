import { readLayoutImage } from '../image/inspect/image-reader.ts';
import { isWaybillError, type WaybillError } from '../kernel/error.ts';
import type { ImageImport } from '../registry/imports.ts';
import type { ScanReport } from '../scan/report.ts';
import { noWaivers } from '../scan/waivers.ts';
import { lookOf, type ImportLook } from './import-look.ts';
import { keepScan } from './keep-scan.ts';
import { isUpToDate, scanThirdParty } from './scan-third-party.ts';
import type { World } from './world.ts';

/**
 * Looks into what is being imported, before it is signed, unless that was done before people vouched for it and nothing more is known since: the bytes are those of the same
 * digest. It refuses nothing: people have vouched for this digest, and what was found stands in the paper beside their names, where a policy can ask for it.
 */
export async function scanImport(world: World, wanted: ImageImport, layout: string, signal: AbortSignal): Promise<ImageImport> {
  const before = lookOf(wanted);
  if (before?.state === 'done' && (await isUpToDate(world, before)))
    return world.imports.setScan(wanted.id, before.record, JSON.stringify(before));
  const look = await scanThirdParty(world, wanted, await readLayoutImage(layout, wanted.digest), signal).catch((error: unknown) => {
    // What is no image of files is imported, too. That nobody could look into it is what the paper then says.
    if (!isWaybillError(error, 'INVALID_INPUT', 'LIMIT_EXCEEDED')) throw error;
    return unreadable(world, error);
  });
  return world.imports.setScan(wanted.id, look.record, JSON.stringify(look));
}

async function unreadable(
  world: World,
  { detail }: WaybillError,
): Promise<ImportLook & { readonly record: NonNullable<ImportLook['record']> }> {
  const at = world.clock.now().toISOString();
  const skipped = [{ path: 'the image', reason: 'unreadable', detail: detail.slice(0, 500) }] as const;
  const report: ScanReport = {
    version: 1,
    kind: 'image',
    scanner: world.scanning.scanners.scanner,
    startedAt: at,
    finishedAt: at,
    coverage: { files: 0, bytes: 0, components: 0, skipped, skippedCount: 1, gapCount: 1 },
    findings: [],
  };
  const { digest } = await keepScan(world, report, { level: 'report', waivers: noWaivers });
  return { state: 'failed', at, why: detail.slice(0, 500), final: true, record: digest };
}
