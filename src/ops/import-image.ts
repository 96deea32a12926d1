import { rm } from 'node:fs/promises';
import path from 'node:path';
import { attestationTag, referrerOf, signatureTag } from '../evidence/cosign-forms.ts';
import { importType } from '../evidence/statements/import.ts';
import type { Person } from '../identity/person.ts';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient, Resolved } from '../oci/client-types.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { ImageImport } from '../registry/imports.ts';
import { lookOf } from './import-look.ts';
import { nameOf, parseUpstream, sourceRepository, type Upstream } from './import-reference.ts';
import { indexImported } from './index-images.ts';
import { examineUpstream, judgeKept, requireSigned, type Examined } from './examine-import.ts';
import { pushTag } from './issue-papers.ts';
import { recordPaper } from './record-paper.ts';
import { recordRefusal } from './record-refusal.ts';
import { openUpstream } from './upstream.ts';
import { scanImport } from './scan-import.ts';
import type { World } from './world.ts';

const copyTokenMs = 60 * 60_000;

/**
 * Asks for a third-party image: the reference is resolved to a digest now, and that digest is what others approve and what is copied, wherever
 * the tag moves meanwhile.
 * @throws WaybillError INVALID_INPUT, NOT_FOUND, FORBIDDEN for a registry on a private address, CONFLICT when the digest is here already
 */
export async function requestImport(
  world: World,
  by: Person,
  input: { readonly reference: string; readonly reason: string; readonly as?: string | undefined },
  signal: AbortSignal,
): Promise<ImageImport> {
  const upstream = parseUpstream(input.reference);
  if (input.reason.trim() === '')
    throw new WaybillError('INVALID_INPUT', 'an import needs a reason', {
      fix: 'Say what it is for: --reason "the database of the shop".',
    });
  using client = await openUpstream(world, upstream.registry, signal, sourceRepository(upstream));
  const { resolved } = await resolveUpstream(client, upstream, signal);
  const repository = repositoryFor(upstream, input.as);
  const same = (await world.imports.list()).find(
    (each) => each.digest === resolved.digest && each.repository === repository && each.state === 'requested',
  );
  if (same)
    throw new WaybillError('CONFLICT', `import ${same.id} asks for this digest already`, {
      fix: `Have it approved: waybill image approve ${same.id}`,
    });
  const name = nameOf(upstream);
  const examined = await examineUpstream(world, client, { name, repository: sourceRepository(upstream), digest: resolved.digest }, signal);
  try {
    requireSigned(examined, name);
  } catch (error) {
    if (isWaybillError(error)) await recordRefusal(world, `import of ${formatReference(upstream)} by ${by.id}`, error.detail);
    throw error;
  }
  const made = await world.imports.request({
    reference: formatReference(upstream),
    digest: resolved.digest,
    repository,
    reason: input.reason.trim(),
    requestedBy: by.id,
    signatures: JSON.stringify(examined),
  });
  await record(world, made, 'admin', { act: 'import-request', by: by.id, reason: made.reason, ...ledgerBody(examined) });
  world.importAsked();
  return made;
}

/** One more approval; with enough of them the digest is copied and gets its papers, which takes as long as the image is large. */
export async function approveImport(world: World, by: Person, id: number): Promise<ImageImport> {
  // Approved before, but the copying failed: tried again, without another approval.
  const present = await world.imports.get(id);
  if (present?.state === 'approved') return begin(world, present);
  const approved = await world.imports.approve(id, by.id, world.requiredApprovals);
  // What there was to see for whoever vouches.
  await record(world, approved, 'approval', { by: by.id, import: id, scan: lookOf(approved)?.record ?? 'not looked at' });
  return approved.state === 'approved' ? begin(world, approved) : approved;
}

/** Goes on behind the answer; what becomes of it stands with the import. */
function begin(world: World, approved: ImageImport): ImageImport {
  if (!copying.has(approved.id)) {
    copying.add(approved.id);
    void performImport(world, approved, AbortSignal.timeout(copyTokenMs))
      .catch((error: unknown) =>
        world.logger.warn({ import: approved.id, error: messageOf(error) }, 'an approved import could not be copied'),
      )
      .finally(() => copying.delete(approved.id));
  }
  return approved;
}

const copying = new Set<number>();

export async function rejectImport(world: World, by: Person, id: number, why: string): Promise<ImageImport> {
  const rejected = await world.imports.reject(id, by.id, why);
  await record(world, rejected, 'rejection', { by: by.id, import: id, why });
  return rejected;
}

/** What was approved before a stop, or failed to be copied, is tried again. */
export async function recoverImports(world: World, signal: AbortSignal): Promise<void> {
  const imported = await world.imports.list({ state: 'imported' });
  const unsigned: ImageImport[] = [];
  for (const each of imported) {
    const papers = await world.attestations.findAttestations({ subject: each.digest });
    if (!papers.some((paper) => paper.predicateType === importType)) unsigned.push(each);
  }
  for (const each of [...(await world.imports.list({ state: 'approved' })), ...unsigned]) {
    try {
      await performImport(world, each, signal);
    } catch (error) {
      world.logger.warn({ import: each.id, error: messageOf(error) }, 'an approved import could not be copied');
    }
  }
}

/**
 * Copies exactly the approved digest with everything below it, each blob checked on its way, with a push token that is minted for this; then
 * its papers are signed and hung at it.
 */
async function performImport(world: World, wanted: ImageImport, signal: AbortSignal): Promise<ImageImport> {
  const out = path.join(world.workFolder, 'imports', String(wanted.id));
  try {
    await rm(out, { recursive: true, force: true });
    const upstream = parseUpstream(wanted.reference);
    using source = await openUpstream(world, upstream.registry, signal, sourceRepository(upstream));
    const looked = await examineAgain(world, source, upstream, wanted, signal);
    await source.pullToLayout(sourceRepository(upstream), wanted.digest, out, { signal });
    const scanned = await scanImport(world, looked, out, signal);
    using push = await world.registry.mintPush({ repository: wanted.repository, import: wanted.id, ttlMs: copyTokenMs });
    using client = connectRegistry({ registry: world.registryAddress, plainHttp: true, auth: { bearer: push.token } });
    const subject = await client.pushLayout(out, wanted.digest, wanted.repository, { tag: `i${wanted.id}`, signal });
    const done = wanted.state === 'imported' ? scanned : await world.imports.imported(wanted.id);
    await issueImportPapers(world, client, done, subject, signal);
    await indexImported(world, done, signal);
    return done;
  } catch (error) {
    await world.imports.failed(wanted.id, messageOf(error).slice(0, 1_000));
    throw error;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/**
 * Days may lie between the request and the copy: keys may be trusted or not trusted any more, and the upstream may have signed since. What verified and
 * still does needs no second look.
 * @throws WaybillError FORBIDDEN when a signature is required and none verifies
 */
async function examineAgain(
  world: World,
  client: RegistryClient,
  upstream: Upstream,
  wanted: ImageImport,
  signal: AbortSignal,
): Promise<ImageImport> {
  const name = nameOf(upstream);
  let examined = await judgeKept(world.upstreamTrust, wanted, name);
  if (examined?.signatures.outcome !== 'verified')
    examined = await examineUpstream(world, client, { name, repository: sourceRepository(upstream), digest: wanted.digest }, signal);
  requireSigned(examined, name);
  const text = JSON.stringify(examined);
  if (text === wanted.signatures) return wanted;
  await record(world, wanted, 'admin', { act: 'import-signatures', ...ledgerBody(examined) });
  return world.imports.setSignatures(wanted.id, text);
}

function ledgerBody({ signatures }: Examined): Record<string, string> {
  const keys = [...new Set(signatures.verified.map((each) => each.keyId))].join(' ');
  return { upstreamSignatures: signatures.outcome, ...(keys === '' ? {} : { upstreamKeys: keys }) };
}

/** The one writer for the digest, as for images that were built. */
async function issueImportPapers(
  world: World,
  client: RegistryClient,
  done: ImageImport,
  subject: Resolved,
  signal: AbortSignal,
): Promise<void> {
  const { papers, signature } = await world.papers.imported(done.id);
  for (const paper of papers) {
    await recordPaper(world, paper);
    await client.attachReferrer(done.repository, subject, { ...referrerOf(paper, world.clock.now()), signal });
  }
  await pushTag(client, done.repository, signatureTag(done.digest, [signature]), signal);
  await pushTag(client, done.repository, attestationTag(done.digest, papers), signal);
  await world.papers.seal();
}

/** An imported image whose tag names another digest upstream now. */
export type ImportUpdate = {
  readonly import: number;
  readonly reference: string;
  readonly from: string;
  readonly to: string;
  /** The import that asks for the newer digest already. */
  readonly requested?: number;
};

/** Asks the upstream of the newest import of every reference what its tag names now. What cannot be asked is told in `unknown`. */
export async function findImportUpdates(
  world: World,
  signal: AbortSignal,
): Promise<{ readonly updates: readonly ImportUpdate[]; readonly unknown: readonly string[] }> {
  const all = await world.imports.list();
  const newest = new Map<string, ImageImport>();
  for (const each of all) if (each.state === 'imported' && !newest.has(each.reference)) newest.set(each.reference, each);
  const updates: ImportUpdate[] = [];
  const unknown: string[] = [];
  for (const [reference, present] of newest) {
    const upstream = parseUpstream(reference);
    if (upstream.digest !== undefined) continue;
    try {
      using client = await openUpstream(world, upstream.registry, signal, sourceRepository(upstream));
      const { resolved } = await resolveUpstream(client, upstream, signal);
      if (resolved.digest === present.digest) continue;
      const asked = all.find((each) => each.digest === resolved.digest && each.reference === reference && each.state !== 'rejected');
      updates.push({
        import: present.id,
        reference,
        from: present.digest,
        to: resolved.digest,
        ...(asked === undefined ? {} : { requested: asked.id }),
      });
    } catch (error) {
      signal.throwIfAborted();
      unknown.push(`${reference}: ${messageOf(error)}`);
    }
  }
  return { updates, unknown };
}

async function resolveUpstream(client: RegistryClient, upstream: Upstream, signal: AbortSignal): Promise<{ resolved: Resolved }> {
  const resolved = await client.resolve(sourceRepository(upstream), upstream.digest ?? upstream.tag ?? 'latest', signal);
  if (!resolved)
    throw new WaybillError('NOT_FOUND', `there is no image ${formatReference(upstream)}`, {
      fix: 'Check the reference. For a private one an administrator adds the registry: waybill registry add NAME --server HOST --use import.',
    });
  return { resolved };
}

function repositoryFor(upstream: Upstream, as: string | undefined): string {
  const name = as ?? `${upstream.registry.replaceAll(/[^a-z0-9.]+/g, '-')}/${sourceRepository(upstream)}`;
  const repository = `import/${name}`;
  parseReference(repository);
  return repository;
}

async function record(
  world: World,
  subject: ImageImport,
  kind: 'admin' | 'approval' | 'rejection',
  body: Record<string, string | number>,
): Promise<void> {
  const { reference, digest, repository } = subject;
  await world.ledger.append({ kind, subject: [digest, `import:${subject.id}`], body: { ...body, reference, digest, repository } });
}
