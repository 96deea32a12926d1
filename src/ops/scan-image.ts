import { readLayoutImage } from '../image/inspect/image-reader.ts';
import type { Digest } from '../kernel/digest.ts';
import { keysOf, saysAnything } from '../scan/gate.ts';
import { countsOf, parseRecord } from '../scan/record.ts';
import type { RunContext } from '../run/port.ts';
import { findRuns } from '../run/queries.ts';
import { keepScan } from './keep-scan.ts';
import { failed, readWaivers, tell } from './scan-source.ts';
import type { World } from './world.ts';

/**
 * Looks into an image that was built and not yet pushed, and keeps the record and the list of its components before the verdict counts.
 * @throws WaybillError SCAN_FAILED: then it is pushed nowhere
 */
export async function scanImage(
  world: World,
  context: RunContext,
  image: { readonly name: string; readonly digest: Digest; readonly layout: string },
): Promise<void> {
  const { head, signal } = context;
  const level = head.plan.scans?.image;
  if (level === undefined) return;
  const { documents, scanners } = world.scanning;
  const waivers = await readWaivers(world, head.repository, head.commit);
  const { report, sbom } = await scanners.image(
    {
      image: await readLayoutImage(image.layout, image.digest),
      digest: image.digest,
      name: `${head.repository}/${image.name}`,
      source: { repository: head.repository, commit: head.commit },
      salt: waivers.salt,
    },
    { signal, log: (text) => context.log('waybill', text) },
  );
  const before = saysAnything(report) ? await lastScanned(world, context, image.name) : undefined;
  const { record, digest } = await keepScan(world, report, { level, alsoLevel: head.plan.scansBefore?.image, waivers, before });
  const found = { record: digest, sbom: await documents.put('sbom', sbom) };
  await context.emit({
    type: 'image-scanned',
    image: image.name,
    digest: image.digest,
    ...found,
    passed: record.passed,
    level: record.level,
    found: countsOf(record),
  });
  tell(context, record);
  if (!record.passed) throw failed(record);
}

/**
 * The image of that name before this one: what was found in it then, and what is known today about what it consists of, so that an advisory that was
 * published in between does not look like something that this commit brought.
 */
async function lastScanned(
  world: World,
  { run, head, signal, log }: RunContext,
  name: string,
): Promise<{ readonly name: string; readonly keys: ReadonlySet<string> } | undefined> {
  const { documents, scanners } = world.scanning;
  for (const { id } of await findRuns(world.store, { repository: head.repository, event: 'merge', limit: 100 })) {
    if (id === run) continue;
    const last = (await world.journal.state(id)).images.find((image) => image.name === name);
    if (last?.status !== 'passed' || !last.digest || !last.scanned) continue;
    const record = parseRecord(await documents.get('record', last.scanned.record));
    const sbom = await documents.get('sbom', last.scanned.sbom);
    const today = await scanners.rematch([{ sbom }], { signal, log: (text) => log('waybill', text) });
    const then = record.findings.map((finding) => finding.key);
    return { name: last.digest, keys: new Set([...then, ...today.flatMap((report) => [...keysOf(report)])]) };
  }
  return undefined;
}
