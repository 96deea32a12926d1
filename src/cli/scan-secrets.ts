import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../kernel/clock.ts';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import { folderSource } from '../scan/folder-source.ts';
import { findRepository, parseRange, rootCommits, type GitRepository } from '../scan/git/repository.ts';
import { commitsOf, gitHistorySource, gitRangeSource, gitStagedSource, gitWorkTreeSource } from '../scan/git/sources.ts';
import { judgeScan, type ScanVerdict } from '../scan/gate.ts';
import type { ScanReport } from '../scan/report.ts';
import { derivedSalt } from '../scan/secrets/fingerprint.ts';
import { readRules, repositoryRules } from '../scan/secrets/repository-rules.ts';
import { ScannedBlobs } from '../scan/secrets/scanned-blobs.ts';
import { scanSecrets, type SecretScan } from '../scan/secrets/scan-secrets.ts';
import { streamSource } from '../scan/tree-source.ts';
import { noWaivers, waiversPath, type Waivers } from '../scan/waivers.ts';
import type { CliContext } from './context.ts';
import type { SecretOptions } from './secret-options.ts';
import { plain } from './terminal.ts';

type Told = { readonly report: ScanReport; readonly verdict: ScanVerdict; readonly waived?: string };

/** Scans what the options name, with the rules and the waivers of its repository, and judges it. */
export async function runSecretScan(context: CliContext, where: string | undefined, options: SecretOptions): Promise<Told> {
  const { signal } = context;
  const target = path.resolve(context.cwd, where === undefined || where === '-' ? '.' : where);
  const info = await stat(target).catch(() => undefined);
  if (!info) throw new WaybillError('NOT_FOUND', `${where ?? target}: there is no such file or folder`, { fix: 'Check the path.' });
  const folder = info.isDirectory() ? target : path.dirname(target);
  const repository = await findRepository({ folder }, signal).catch((error: unknown) => {
    // A folder can be looked at without git.
    if (isWaybillError(error, 'MISSING_PROGRAM') && !options.history && options.range === undefined && !options.staged) return undefined;
    throw error;
  });
  const root = repository?.root ?? folder;
  const waiversFile = path.join(root, waiversPath);
  const text = await readFile(waiversFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new WaybillError('INVALID_INPUT', `${waiversPath} cannot be read: ${error.code ?? error.message}`, { cause: error });
  });
  const waivers: Waivers = text === undefined ? noWaivers : (await import('../scan/parse-waivers.ts')).parseWaivers(text);
  const salt = waivers.salt ?? derivedSalt(repository ? await rootCommits({ folder }, signal) : []);
  const rules = options.rules === undefined ? await repositoryRules(root) : await readRules(path.resolve(context.cwd, options.rules));
  for (const note of rules.notes) context.note(plain(note));

  const scan = {
    rules: rules.set,
    salt,
    clock: systemClock,
    scanner: `waybill ${context.version}`,
    signal,
    ...(context.interactive && context.colour ? { onProgress: progress(context) } : {}),
  };
  const source = await chooseSource(context, where, target, info.isDirectory(), repository, options, scan.rules);
  const report = await scanSecrets({ ...scan, ...source.scan });
  await source.done?.();
  if (report.coverage.files === 0 && source.mustHaveFiles && report.coverage.skippedCount === 0)
    throw new WaybillError('NOT_FOUND', `there is nothing to look at in ${where ?? '.'}`, { fix: 'Give a folder with files in it.' });
  const verdict = judgeScan({ report, fail: options.fail, waivers, now: systemClock.now(), databaseDays: 7 });
  if (options.waive === undefined) return { report, verdict };
  return { report, verdict, waived: await waive(options, report, waiversFile, text, salt) };
}

type Chosen = {
  readonly scan: Pick<SecretScan, 'source' | 'before' | 'commitsOf' | 'onClean'>;
  readonly mustHaveFiles: boolean;
  done?(): Promise<void>;
};

async function chooseSource(
  context: CliContext,
  where: string | undefined,
  target: string,
  isFolder: boolean,
  repository: GitRepository | undefined,
  options: SecretOptions,
  rules: SecretScan['rules'],
): Promise<Chosen> {
  const place = { folder: isFolder ? target : path.dirname(target) };
  if (where === '-') return { scan: { source: streamSource('standard input', '-', context.stdin()) }, mustHaveFiles: false };
  if (!options.history && options.range === undefined && !options.staged) {
    if (options.ignored || !isFolder) return { scan: { source: folderSource(target) }, mustHaveFiles: true };
    if (!repository) throw new WaybillError('INVALID_INPUT', `${target} is in no Git repository`, { fix: 'Leave out --no-ignored.' });
    return { scan: { source: gitWorkTreeSource(place) }, mustHaveFiles: true };
  }
  if (!repository)
    throw new WaybillError('INVALID_INPUT', `${target} is in no Git repository`, { fix: 'Go to a repository, or give its folder.' });
  if (options.staged) {
    const { added, before } = gitStagedSource(place);
    return { scan: { source: added, before }, mustHaveFiles: false };
  }
  if (options.range !== undefined) {
    const { base, head } = await parseRange(place, options.range, context.signal);
    const { added, before } = gitRangeSource(place, [base], head);
    return {
      scan: { source: added, before, commitsOf: (blobs, signal) => commitsOf(place, blobs, [head, `^${base}`], signal) },
      mustHaveFiles: false,
    };
  }
  const scanned = await ScannedBlobs.open(path.join(repository.folder, 'waybill'), rules, repository.digits);
  const known = options.all ? new Set<string>() : scanned;
  return {
    scan: {
      source: gitHistorySource(place, known),
      commitsOf: (blobs, signal) => commitsOf(place, blobs, ['--all'], signal),
      onClean: (blob) => scanned.add(blob),
    },
    mustHaveFiles: false,
    // A disk that is full or not ours only makes the next scan slower.
    done: () => scanned.save().catch((error: Error) => context.note(`What was scanned could not be remembered: ${error.message}`)),
  };
}

async function waive(options: SecretOptions, report: ScanReport, file: string, text: string | undefined, salt: string): Promise<string> {
  const [rule = '', start = ''] = (options.waive ?? '').split(':');
  const { reason, owner, expires } = options;
  if (reason === undefined || owner === undefined || expires === undefined)
    throw new WaybillError('INVALID_INPUT', 'a waiver needs --reason, --owner and --expires', {
      fix: 'Say why, who answers for it, and until when.',
    });
  const found = report.findings.filter(
    (finding) => finding.kind === 'secret' && finding.rule === rule && start.length >= 8 && finding.fingerprint.startsWith(start),
  );
  const [finding, ...more] = found;
  if (finding?.kind !== 'secret' || more.length > 0)
    throw new WaybillError('NOT_FOUND', `${found.length === 0 ? 'nothing' : 'more than one finding'} here is ${options.waive}`, {
      fix: 'Copy RULE:FINGERPRINT from what the scan prints, with the same options.',
    });
  const { addSecretWaiver } = await import('../scan/add-waiver.ts');
  const made = addSecretWaiver(text, { rule, fingerprint: finding.fingerprint, reason, owner, expires }, salt);
  await mkdir(path.dirname(file), { recursive: true });
  const beside = `${file}.${process.pid}`;
  await writeFile(beside, made);
  await rename(beside, file);
  return file;
}

function progress(context: CliContext): NonNullable<SecretScan['onProgress']> {
  let last = 0;
  return ({ files, bytes }) => {
    if (bytes - last < 200e6) return;
    last = bytes;
    context.note(`${files} files, ${Math.round(bytes / 1e6)} MB …`);
  };
}
