import { isWaybillError } from '../kernel/error.ts';
import type { ImageReader } from '../image/inspect/image-reader.ts';
import type { ImageImport } from '../registry/imports.ts';
import { splitEcosystem } from '../scan/advisories/ecosystems.ts';
import { keysOf } from '../scan/gate.ts';
import { parseRecord } from '../scan/record.ts';
import { noWaivers } from '../scan/waivers.ts';
import { lookCounts, lookImage, lookOf, type DoneLook } from './import-look.ts';
import { keepScan } from './keep-scan.ts';
import type { ScanContext } from './scanners.ts';
import type { World } from './world.ts';

/**
 * Looks into what an import names, wherever it is read from: its bytes are those of the digest. The record and the list of components are kept; nothing is judged.
 * @throws WaybillError INVALID_INPUT, LIMIT_EXCEEDED for what cannot be looked into; what the reader throws
 */
export async function scanThirdParty(
  world: Pick<World, 'scanning' | 'imports' | 'clock' | 'logger'>,
  wanted: ImageImport,
  image: ImageReader,
  signal: AbortSignal,
): Promise<DoneLook> {
  const { scanners, documents } = world.scanning;
  const context: ScanContext = { signal, log: (text) => world.logger.info({ import: wanted.id, text }, 'an import is being scanned') };
  const { report, sbom, facts } = await scanners.image({ image, digest: wanted.digest, name: wanted.repository, salt: undefined }, context);
  const before = await newestImported(world, wanted, context);
  const { record, digest } = await keepScan(world, report, { level: 'report', waivers: noWaivers, before });
  const kept = await documents.put('sbom', sbom).catch((error: unknown) => {
    // It can be imported all the same; what it consists of is then not known to `waybill where`.
    if (!isWaybillError(error, 'LIMIT_EXCEEDED')) throw error;
    world.logger.warn({ import: wanted.id, error: error.detail }, 'the list of components of an import is not kept');
    return undefined;
  });
  const now = keysOf(report);
  return {
    state: 'done',
    at: report.finishedAt,
    record: digest,
    ...(kept === undefined ? {} : { sbom: kept }),
    found: lookCounts(record.findings),
    components: report.coverage.components,
    ...(before
      ? {
          against: {
            import: before.import,
            digest: before.name,
            fresh: lookCounts(record.findings.filter(({ isNew }) => isNew)),
            gone: before.today.difference(now).size,
          },
        }
      : {}),
    image: lookImage(facts),
  };
}

/** The newest import of that name: what was found in it then, and what is known today about what it consists of. An advisory that was published since is nothing that this one brings. */
async function newestImported(world: Pick<World, 'scanning' | 'imports'>, wanted: ImageImport, context: ScanContext) {
  const { documents, scanners } = world.scanning;
  const last = (await world.imports.list({ state: 'imported' })).find(
    (each) => each.repository === wanted.repository && each.id !== wanted.id && each.scan !== undefined,
  );
  if (last?.scan === undefined) return undefined;
  const { findings } = parseRecord(await documents.get('record', last.scan));
  const look = lookOf(last);
  const sbom = look?.state === 'done' ? look.sbom : undefined;
  const again = sbom === undefined ? [] : await scanners.rematch([{ sbom: await documents.get('sbom', sbom) }], context);
  const matched = again.flatMap((report) => [...keysOf(report)]);
  const keys = new Set([...findings.map(({ key }) => key), ...matched]);
  // A vulnerability counts as gone when today's advisories know it still, or when nobody could ask them.
  const today = new Set([
    ...findings.flatMap(({ kind, key }) => (kind === 'vulnerability' && sbom !== undefined ? [] : [key])),
    ...matched,
  ]);
  return { import: last.id, name: last.digest, keys, today };
}

/** Whether looking again would tell the same: this scanner, and the advisories of then, or older ones. */
export async function isUpToDate({ scanning }: Pick<World, 'scanning'>, { record }: DoneLook): Promise<boolean> {
  const { report } = parseRecord(await scanning.documents.get('record', record));
  if (report.scanner !== scanning.scanners.scanner) return false;
  const states = new Map((await scanning.advisoryStates()).map((state) => [state.ecosystem, state]));
  return (report.coverage.databases ?? []).every(({ ecosystem, digest, updatedAt }) => {
    const present = states.get(splitEcosystem(ecosystem).base);
    return !present || present.digest === digest || present.updatedAt < updatedAt;
  });
}
