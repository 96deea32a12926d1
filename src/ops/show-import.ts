import type { ImportView } from '../api/import-views.ts';
import type { ScanView } from '../api/scan-views.ts';
import { signaturesText } from '../evidence/upstream/signatures-text.ts';
import { WaybillError } from '../kernel/error.ts';
import type { ImageImport } from '../registry/imports.ts';
import { parseRecord } from '../scan/record.ts';
import { examinedOf } from './examine-import.ts';
import { lookOf } from './import-look.ts';
import { recordView } from './show-scans.ts';
import type { World } from './world.ts';

type ShowWorld = Pick<World, 'imports' | 'scanning'>;

/** An import as people and programs see it: with what is known about its signatures, and what scanners came to. */
export function importView(found: ImageImport): ImportView {
  const { signatures: _, look: __, approvals, ...rest } = found;
  const signatures = examinedOf(found)?.signatures;
  return {
    ...rest,
    approvals: approvals.map((each) => ({ ...each })),
    ...(signatures === undefined ? {} : { signatures }),
    look: lookViewOf(found),
  };
}

function lookViewOf(found: ImageImport): ImportView['look'] {
  const look = lookOf(found);
  if (!look) return { state: 'waiting' };
  if (look.state === 'done') return look;
  const { state, at, why } = look;
  return { state, at, why };
}

/** @throws WaybillError NOT_FOUND for an import that nobody has looked into */
export async function showImportScan(world: ShowWorld, id: number): Promise<ScanView> {
  const found = await must(world, id);
  const scan = await scanOf(world, found);
  if (scan) return scan;
  const look = lookOf(found);
  throw new WaybillError('NOT_FOUND', `import ${id} was not looked into${look?.state === 'failed' ? `: ${look.why}` : ' yet'}`, {
    fix: `It is tried again, and when it is copied. At once: waybill image look ${id}`,
  });
}

/** For the page. @throws WaybillError NOT_FOUND */
export async function showImport(
  world: ShowWorld,
  id: number,
): Promise<{ readonly view: ImportView; readonly signatures: string; readonly scan: ScanView | undefined }> {
  const found = await must(world, id);
  const examined = examinedOf(found);
  return {
    view: importView(found),
    signatures: examined ? signaturesText(examined.signatures) : 'nobody has looked',
    scan: await scanOf(world, found),
  };
}

/** Of what was copied; before that, of what was looked into at the upstream. */
async function scanOf({ scanning }: ShowWorld, found: ImageImport): Promise<ScanView | undefined> {
  const record = found.scan ?? lookOf(found)?.record;
  return record && recordView(`import ${found.id}`, record, parseRecord(await scanning.documents.get('record', record)));
}

async function must({ imports }: ShowWorld, id: number): Promise<ImageImport> {
  const found = await imports.get(id);
  if (!found) throw new WaybillError('NOT_FOUND', `there is no import ${id}`);
  return found;
}
