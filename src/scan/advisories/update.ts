import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../kernel/clock.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import { hexOf, type Digest } from '../../kernel/digest.ts';
import { WaybillError, isDiskError, messageOf } from '../../kernel/error.ts';
import { databaseStates, filesIn } from './database.ts';
import { readState, stateFile, type EcosystemState } from './database-state.ts';
import { ecosystemOf, splitEcosystem, usualEcosystems } from './ecosystems.ts';
import { readRecords, type SkippedRecords } from './read-records.ts';
import { IndexBuilder } from './index-builder.ts';
import { usualLimits, type AdvisoryLimits } from './limits.ts';
import type { AdvisorySource, Fetched } from './source.ts';
import { lockUpdates } from './update-lock.ts';

export type UpdateProgress =
  | { readonly step: 'waiting' }
  | { readonly step: 'fetch'; readonly ecosystem: string; readonly bytes: number; readonly of: number | undefined }
  | { readonly step: 'read'; readonly ecosystem: string; readonly records: number }
  | { readonly step: 'index'; readonly ecosystem: string; readonly advisories: number }
  | { readonly step: 'done'; readonly result: EcosystemUpdate };

export type EcosystemUpdate = { readonly ecosystem: string } & (
  | { readonly outcome: 'updated' | 'unchanged'; readonly state: EcosystemState }
  | { readonly outcome: 'failed'; readonly error: WaybillError }
);

export type UpdateOptions = {
  readonly folder: string;
  readonly source: AdvisorySource;
  /** Default: what is there already; in an empty database what the source names, or the usual ones where it cannot say or has many. */
  readonly ecosystems?: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly limits?: Partial<AdvisoryLimits>;
  readonly progress?: (event: UpdateProgress) => void;
};

/** Temporary files of an update that was killed are removed after this time. */
const leftoverMilliseconds = 24 * 3_600_000;

/**
 * Brings a database up to date, one ecosystem after the other; what fails for one leaves that one as it was. Readers see the old or the new index, whole, at
 * every moment, also when this process is killed or the disk is full. Can be called in a server: it works in short pieces.
 * @throws WaybillError INVALID_INPUT for an ecosystem whose versions cannot be compared here; what the signal aborts with
 */
export async function updateDatabase(options: UpdateOptions): Promise<readonly EcosystemUpdate[]> {
  const { folder, source, signal, progress = () => undefined } = options;
  for (const name of options.ecosystems ?? [])
    if (!ecosystemOf(name))
      throw new WaybillError('INVALID_INPUT', `${JSON.stringify(name)} is no ecosystem of OSV whose versions can be compared here`, {
        fix: `Name one of OSV's ecosystems, without its release: ${usualEcosystems.join(', ')}, …`,
      });
  await mkdir(folder, { recursive: true });
  await using _lock = await lockUpdates(folder, signal, () => progress({ step: 'waiting' }));
  await removeLeftovers(folder);
  const results: EcosystemUpdate[] = [];
  for (const ecosystem of options.ecosystems ?? (await usualOf(folder, source, signal))) {
    const result = await updateOne(ecosystem, options, progress);
    results.push(result);
    progress({ step: 'done', result });
  }
  return results;
}

async function usualOf(folder: string, source: AdvisorySource, signal: AbortSignal): Promise<readonly string[]> {
  const present = (await databaseStates(folder)).map(({ ecosystem }) => ecosystem);
  if (present.length > 0) return present;
  const offered = await source.ecosystems(signal);
  if (!offered) return usualEcosystems;
  const known = [...new Set(offered.map((name) => splitEcosystem(name).base))].filter((name) => ecosystemOf(name));
  return known.length > usualEcosystems.length ? usualEcosystems.filter((name) => known.includes(name)) : known;
}

async function updateOne(ecosystem: string, options: UpdateOptions, progress: (event: UpdateProgress) => void): Promise<EcosystemUpdate> {
  const limits = { ...usualLimits, ...options.limits };
  const { folder, source, clock } = options;
  using deadline = withDeadline(options.signal, limits.milliseconds, `the update of the advisories for ${ecosystem}`);
  const { signal } = deadline;
  const scratch = path.join(folder, `.building-${randomUUID()}.download`);
  try {
    const before = await usableState(folder, ecosystem);
    const same = before?.source === source.name ? before : undefined;
    const known = same && {
      ...(same.etag === undefined ? {} : { etag: same.etag }),
      ...(same.lastModified === undefined ? {} : { lastModified: same.lastModified }),
    };
    const fetched = await source.fetch({
      ecosystem,
      known,
      scratch,
      limits,
      signal,
      progress: (bytes, of) => progress({ step: 'fetch', ecosystem, bytes, of }),
    });
    const updatedAt = notAfter(fetched.current, clock.now());
    if (fetched.outcome === 'unchanged') {
      if (!before) throw new WaybillError('UNREACHABLE', `${source.name} says that nothing is new, but there was nothing before`);
      const state = { ...before, updatedAt: later(before.updatedAt, updatedAt) };
      await writeState(folder, state);
      return { ecosystem, outcome: 'unchanged', state };
    }
    return await build(ecosystem, fetched, updatedAt, before, { ...options, limits, signal, progress });
  } catch (error) {
    options.signal.throwIfAborted();
    return { ecosystem, outcome: 'failed', error: asWaybillError(error, ecosystem) };
  } finally {
    await rm(scratch, { force: true });
  }
}

async function build(
  ecosystem: string,
  fetched: Fetched & { outcome: 'new' },
  updatedAt: string,
  before: EcosystemState | undefined,
  {
    folder,
    source,
    clock,
    limits,
    signal,
    progress,
  }: UpdateOptions & { limits: AdvisoryLimits; progress: (event: UpdateProgress) => void },
): Promise<EcosystemUpdate> {
  const known = ecosystemOf(ecosystem);
  if (!known) throw new WaybillError('UNSUPPORTED', `the versions of ${ecosystem} have no order that is known here`);
  await using builder = await IndexBuilder.create(known, folder);
  const skipped = await readRecords(fetched.records(limits, signal), builder, signal, (records) =>
    progress({ step: 'read', ecosystem, records }),
  );
  if (builder.advisories === 0)
    throw new WaybillError('INVALID_INPUT', `${source.name} has no advisory about ${ecosystem}${unreadable(skipped)}`, {
      fix: before
        ? 'Look at the source. What was there before is still in use.'
        : 'Name another source with --from, or other ecosystems with --ecosystem.',
    });
  progress({ step: 'index', ecosystem, advisories: builder.advisories });
  const built = await builder.finish(signal);
  const file = indexName(ecosystem, built.digest);
  await rename(built.file, path.join(folder, file));
  await syncFolder(folder);
  const state: EcosystemState = {
    version: 1,
    ecosystem,
    file,
    bytes: built.bytes,
    digest: built.digest,
    advisories: built.meta.advisories,
    packages: built.meta.packages,
    skipped,
    source: source.name,
    ...fetched.validators,
    updatedAt,
    builtAt: clock.now().toISOString(),
  };
  await writeState(folder, state);
  if (before && before.file !== file) await rm(path.join(folder, before.file), { force: true });
  return { ecosystem, outcome: before?.digest === built.digest ? 'unchanged' : 'updated', state };
}

const indexName = (ecosystem: string, digest: Digest) => `${encodeURIComponent(ecosystem)}-${hexOf(digest).slice(0, 24)}.advisories`;

/** What was there, if its index still is, byte for byte: anything else is made anew. */
async function usableState(folder: string, ecosystem: string): Promise<EcosystemState | undefined> {
  try {
    const state = await readState(stateFile(folder, ecosystem));
    return state && (await digestOfFile(path.join(folder, state.file))) === state.digest ? state : undefined;
  } catch (error) {
    if (isDiskError(error)) throw error;
    return undefined;
  }
}

async function digestOfFile(file: string): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}` as Digest;
}

async function writeState(folder: string, state: EcosystemState): Promise<void> {
  const temporary = path.join(folder, `.building-${randomUUID()}.state`);
  try {
    {
      await using handle = await open(temporary, 'wx', 0o644);
      await handle.writeFile(`${JSON.stringify(state, null, 2)}\n`);
      await handle.sync();
    }
    await rename(temporary, stateFile(folder, state.ecosystem));
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(folder);
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

/** Files of updates that were killed, and indexes that no state names any more. Young ones may be of an update on another host. */
async function removeLeftovers(folder: string): Promise<void> {
  const named = new Set((await databaseStates(folder).catch(() => [])).map(({ file }) => file));
  for (const name of await filesIn(folder)) {
    if (!(name.startsWith('.building-') || name.startsWith('.lock-') || (name.endsWith('.advisories') && !named.has(name)))) continue;
    const file = path.join(folder, name);
    try {
      if (Date.now() - (await stat(file)).mtimeMs > leftoverMilliseconds) await rm(file, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
}

function unreadable({ count, named: [first] }: SkippedRecords): string {
  return first ? `; ${count} of its files cannot be read as advisories, such as ${first.name}: ${first.problem}` : '';
}

const notAfter = (date: Date, now: Date) => (date.getTime() > now.getTime() ? now : date).toISOString();
const later = (a: string, b: string) => (a > b ? a : b);

function asWaybillError(error: unknown, ecosystem: string): WaybillError {
  if (error instanceof WaybillError) return error;
  if (isDiskError(error)) return new WaybillError('STORE_FAILED', messageOf(error), { cause: error });
  return new WaybillError('INTERNAL', `the advisories for ${ecosystem}: ${messageOf(error)}`, { cause: error });
}
