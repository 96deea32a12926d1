import { readRegistryImage } from '../image/inspect/image-reader.ts';
import { withDeadline } from '../kernel/deadline.ts';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import type { ImageImport } from '../registry/imports.ts';
import { lookOf, type ImportLook } from './import-look.ts';
import { parseUpstream, sourceRepository } from './import-reference.ts';
import { isUpToDate, scanThirdParty } from './scan-third-party.ts';
import { openUpstream } from './upstream.ts';
import type { World } from './world.ts';

/** A large image of a slow registry; nobody waits for it. */
const lookMs = 45 * 60_000;
const againMs = 60 * 60_000;
const outdatedMs = 24 * 60 * 60_000;

/** Requests that wait for people and that somebody should look into now, the oldest first. */
export async function importsToLookInto(world: Pick<World, 'imports' | 'clock' | 'scanning'>): Promise<readonly ImageImport[]> {
  const now = world.clock.now().getTime();
  const due: ImageImport[] = [];
  for (const each of (await world.imports.list({ state: 'requested' })).toReversed()) {
    const look = lookOf(each);
    const age = look ? now - Date.parse(look.at) : 0;
    if (!look || (look.state === 'failed' && !look.final && age >= againMs)) due.push(each);
    // People see how old the advisories were; once a day they are given newer ones.
    else if (look.state === 'done' && age >= outdatedMs && !(await isUpToDate(world, look))) due.push(each);
  }
  return due;
}

/**
 * Looks into what was asked for, at its upstream (through the mirror of it, when there is one), before people vouch for it. It goes by as a stream: no registry has it, and no pod can pull it.
 * What keeps it from that is what people are told; the request stays as usable as without.
 * @throws what the signal aborts with, and what the store throws
 */
export async function lookIntoImport(world: World, wanted: ImageImport, signal: AbortSignal): Promise<void> {
  let look: ImportLook;
  try {
    using deadline = withDeadline(signal, lookMs, 'looking into it at its upstream');
    const upstream = parseUpstream(wanted.reference);
    using client = await openUpstream(world, upstream.registry, deadline.signal, sourceRepository(upstream));
    const image = await readRegistryImage(client, sourceRepository(upstream), wanted.digest, deadline.signal);
    look = await scanThirdParty(world, wanted, image, deadline.signal);
  } catch (error) {
    signal.throwIfAborted();
    world.logger.warn({ import: wanted.id, error: messageOf(error) }, 'an import could not be looked into before it is approved');
    // What was found once about these bytes is worth more than that nobody could look again.
    if (lookOf(wanted)?.state === 'done') return;
    const final = isWaybillError(error, 'INVALID_INPUT', 'LIMIT_EXCEEDED');
    look = { state: 'failed', at: world.clock.now().toISOString(), why: messageOf(error).slice(0, 500), final };
  }
  await world.imports.setLook(wanted.id, JSON.stringify(look));
  if (look.state !== 'done') return;
  const { reference, digest, repository, id } = wanted;
  const { record, found } = look;
  await world.ledger.append({
    kind: 'admin',
    subject: [digest, `import:${id}`],
    body: { act: 'import-look', reference, digest, repository, record, found },
  });
}

/** Somebody asks for another look, since the last one failed or is old. @throws WaybillError NOT_FOUND, CONFLICT when it is decided already */
export async function askForLook(world: World, id: number): Promise<ImageImport> {
  const found = await world.imports.get(id);
  if (!found) throw new WaybillError('NOT_FOUND', `there is no import ${id}`);
  if (found.state !== 'requested')
    throw new WaybillError('CONFLICT', `import ${id} is ${found.state}: it is looked into before that, and when it is copied`, {
      fix: `What was found: waybill image scan-of ${id}`,
    });
  const made = await world.imports.setLook(id, undefined);
  world.importAsked();
  return made;
}
