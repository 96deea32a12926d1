import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../kernel/clock.ts';
import { isWaybillError, messageOf } from '../../kernel/error.ts';
import { usedUp } from '../../kernel/used-buffers.ts';
import type { Skipped } from '../coverage.ts';
import type { ScanReport } from '../report.ts';
import { SkipList } from '../skip-list.ts';
import { pieceBytes, type TreeSource } from '../tree-source.ts';
import { Batches } from './batches.ts';
import { FileReader } from './file-reader.ts';
import { Fingerprints } from './fingerprint.ts';
import { makeFindings, type CommitsOf } from './findings.ts';
import { defaultLimits, type ScanLimits } from './limits.ts';
import type { RuleSet } from './rule-set.ts';
import type { FileState, Located, Part } from './scan-chunks.ts';

export type SecretScan = {
  readonly source: TreeSource;
  /** What was there before: what stands there too is not told. Read only when something was found. */
  readonly before?: TreeSource;
  readonly rules: RuleSet;
  /** Of the repository, hexadecimal: its waivers', or `derivedSalt`. */
  readonly salt: string;
  readonly clock: Clock;
  /** `waybill VERSION`. */
  readonly scanner: string;
  readonly signal: AbortSignal;
  readonly limits?: Partial<ScanLimits>;
  /** For history: which commits brought the blobs in which something was found. */
  readonly commitsOf?: CommitsOf;
  onProgress?(state: { readonly files: number; readonly bytes: number }): void;
  /** A blob that was looked at wholly, and in which nothing is: equal rules need not look again. */
  onClean?(blob: string): void;
};

/** A batch is what one start of the time budget pays for. */
const batchBytes = 1024 * 1024;
const batchParts = 512;

/**
 * Looks for credentials in every file of a source, in this thread and, where there is much to look at, in others; this one is given back to others between batches of a megabyte. No network, no writing; memory does not grow with the tree.
 * Values leave it only as slow hashes.
 * @throws WaybillError CANCELLED, and what the source throws as a whole
 */
export async function scanSecrets(scan: SecretScan): Promise<ScanReport> {
  const startedAt = scan.clock.now();
  const limits = { ...defaultLimits, ...scan.limits };
  const skips = new SkipList();
  const { located, files, bytes } = await look(scan, scan.source, limits, skips.add);
  const known =
    located.length > 0 && scan.before
      ? await look({ ...scan, onClean: undefined, onProgress: undefined }, scan.before, limits, () => {})
      : undefined;
  const old = new Set(known?.located.map(identity));
  const fresh = located.filter((each) => !old.has(identity(each)));
  const findings = await makeFindings(fresh, new Fingerprints(scan.salt), scan.commitsOf, scan.signal);
  return {
    version: 1,
    kind: 'secrets',
    scanner: scan.scanner,
    startedAt: startedAt.toISOString(),
    finishedAt: scan.clock.now().toISOString(),
    coverage: { files, bytes, components: 0, rules: { count: scan.rules.rules.length, digest: scan.rules.digest }, ...skips.coverage },
    findings,
  };
}

const identity = ({ rule, value }: Located): string => `${rule.rule.id}\0${value}`;

type Looking = Pick<SecretScan, 'rules' | 'clock' | 'signal'> & {
  readonly onProgress?: SecretScan['onProgress'] | undefined;
  readonly onClean?: SecretScan['onClean'] | undefined;
};

async function look(
  scan: Looking,
  source: TreeSource,
  limits: ScanLimits,
  told: (skipped: Skipped) => void,
): Promise<{ located: Located[]; files: number; bytes: number }> {
  const { rules, signal } = scan;
  const located: Located[] = [];
  let files = 0;
  let bytes = 0;
  let tooMany = false;
  let batch: Part[] = [];
  let size = 0;
  // A batch is looked at, or copied for another thread, before it is given back: then its bytes are not needed any more.
  const shelf = Buffer.allocUnsafeSlow(batchBytes + pieceBytes);
  let taken = 0;

  await using batches = new Batches(rules, limits, scan.clock.now(), {
    found(each) {
      if (located.length < limits.findings) located.push(each);
      else if (!tooMany) {
        tooMany = true;
        told({ path: each.path, reason: 'limit', detail: `more than ${limits.findings} findings; the first ones are listed` });
      }
    },
    skip: told,
    clean: (blob) => scan.onClean?.(blob),
  });
  const skip = (skipped: Skipped) => batches.skip(skipped);

  const flush = async () => {
    if (batch.length === 0) return;
    batches.give(batch, size);
    taken = 0;
    usedUp(size);
    batch = [];
    size = 0;
    scan.onProgress?.({ files, bytes });
    await setImmediate();
    signal.throwIfAborted();
  };

  const reader = new FileReader({
    limits,
    signal,
    skip,
    part: (part) => {
      batch.push(part);
      size += part.bytes.length;
      return size >= batchBytes || batch.length >= batchParts ? flush() : undefined;
    },
  });
  const room = (length: number) => {
    if (taken + length > shelf.length) return undefined;
    taken += length;
    return shelf.subarray(taken - length, taken);
  };
  for await (const file of source.files({ signal, skip, room })) {
    const state: FileState = { ...(file.blob === undefined ? {} : { blob: file.blob }), dirty: false };
    try {
      bytes += await reader.read(file, state);
      files++;
    } catch (error) {
      if (signal.aborted || !isWaybillError(error, 'NOT_FOUND', 'INVALID_INPUT')) throw error;
      state.dirty = true;
      skip({ path: file.path, reason: 'unreadable', detail: messageOf(error) });
    }
  }
  await flush();
  await batches.done();
  signal.throwIfAborted();
  scan.onProgress?.({ files, bytes });
  return { located, files, bytes };
}
