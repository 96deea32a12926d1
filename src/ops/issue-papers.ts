import { attestationTag, referrerOf, signatureTag, type Push } from '../evidence/cosign-forms.ts';
import type { Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { treeScans } from '../plan/scan-levels.ts';
import type { RunContext } from '../run/port.ts';
import { recordPaper } from './record-paper.ts';
import type { SignedPaper } from './papers-office.ts';
import type { World } from './world.ts';

/**
 * All papers of one image, in the order in which they depend on one another: review, tests of every stage, scans, provenance, and last the
 * summary, which the signer gives only when the others fit. Each goes to the registry beside its image and into the ledger; this is the
 * one writer for a digest (trust.md, "Evidence").
 */
export async function issuePapers(
  world: World,
  context: RunContext,
  client: RegistryClient,
  image: { readonly name: string; readonly repository: string; readonly digest: Digest },
): Promise<void> {
  const { run, head, signal } = context;
  const subject = await client.resolve(image.repository, image.digest, signal);
  if (!subject) throw new WaybillError('INTERNAL', `${image.repository}@${image.digest} was pushed and is not there`);
  const kept: SignedPaper[] = [];
  const keep = async (papers: readonly SignedPaper[]) => {
    for (const paper of papers) {
      // First the record: what hangs at the image must be in the ledger.
      const ledgerIndex = await recordPaper(world, paper);
      await client.attachReferrer(image.repository, subject, { ...referrerOf(paper, world.clock.now()), signal });
      await context.emit({ type: 'paper-signed', subject: image.digest, predicateType: paper.predicateType, ledgerIndex });
      context.log('waybill', `signed ${paper.predicateType} (ledger ${ledgerIndex})`);
      kept.push(paper);
    }
  };
  await keep(await world.papers.review(run, image.name));
  for (const stage of head.plan.stages) await keep(await world.papers.tests(run, stage.name, image.name));
  if (head.plan.scans) {
    for (const scan of treeScans) await keep(await world.papers.scan(run, scan, image.name));
    await keep(await world.papers.sbom(run, image.name));
    await keep(await world.papers.imageScan(run, image.name));
  }
  await keep(await world.papers.provenance(run, image.name));
  const { papers, signature } = await world.papers.summary(run, image.name);
  await keep(papers);
  await pushTag(client, image.repository, signatureTag(image.digest, [signature]), signal);
  await pushTag(client, image.repository, attestationTag(image.digest, kept), signal);
  await world.papers.seal();
}

/** cosign's older form. Tags do not change: a digest that was published before keeps the papers of its first time there. */
export async function pushTag(client: RegistryClient, repository: string, push: Push, signal: AbortSignal): Promise<void> {
  if (await client.resolve(repository, push.tag, signal)) return;
  for (const blob of push.blobs) {
    const bytes = Buffer.from(blob.content);
    await client.putBlob(repository, { bytes }, { digest: blob.digest, size: bytes.length }, signal);
  }
  await client.putManifest(repository, Buffer.from(push.manifest.content), push.manifest.mediaType, { tag: push.tag, signal });
}
