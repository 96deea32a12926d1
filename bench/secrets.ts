/**
 * Credentials: real trees and the history of this project, scanned by Waybill and by gitleaks (`gitleaks` in PATH, or the file that GITLEAKS names) in the same run. Prints
 * seconds, MB/s, ratios, the most memory that either held, and every line in which gitleaks found something and Waybill did not. Asserts nothing.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { systemClock } from '../src/kernel/clock.ts';
import { gitRangeSource } from '../src/scan/git/sources.ts';
import { builtInRuleSet } from '../src/scan/secrets/repository-rules.ts';
import { scanSecrets } from '../src/scan/secrets/scan-secrets.ts';

const project = join(import.meta.dirname, '..');
const work = mkdtempSync(join(tmpdir(), 'bench-secrets-'));
const gitleaks = process.env['GITLEAKS'] ?? 'gitleaks';

type Measured = { readonly seconds: number; readonly megabytes: number };

/** Best of some rounds; memory is the most of any. Statuses 0 and 1 are answers. */
async function measure(
  program: string,
  args: readonly string[],
  cwd: string,
  rounds = 3,
  before: () => void = () => {},
): Promise<Measured | undefined> {
  let seconds = Infinity;
  let megabytes = 0;
  for (let round = 0; round < rounds; round++) {
    before();
    const start = performance.now();
    const child = spawn(program, args, { cwd, stdio: 'ignore' });
    const watch = setInterval(() => {
      try {
        const high = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
        megabytes = Math.max(megabytes, Number(high ?? 0) / 1024);
      } catch {
        // It has ended.
      }
    }, 20);
    const status = await new Promise<number | null>((resolve) => {
      child.on('error', () => resolve(null));
      child.on('close', resolve);
    });
    clearInterval(watch);
    if (status !== 0 && status !== 1) return undefined;
    seconds = Math.min(seconds, (performance.now() - start) / 1000);
  }
  return { seconds, megabytes };
}

function bytesOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

const tell = (what: string, { seconds, megabytes }: Measured, bytes: number) =>
  console.log(
    `  ${what.padEnd(10)} ${seconds.toFixed(2).padStart(7)} s  ${(bytes / 1e6 / seconds).toFixed(0).padStart(5)} MB/s  ${megabytes.toFixed(0).padStart(5)} MB held`,
  );

type Leak = { readonly File: string; readonly StartLine: number; readonly RuleID: string; readonly Commit: string };
type Report = { readonly findings: readonly { readonly places: readonly { readonly path: string; readonly line?: number }[] }[] };

function compare(leaks: readonly Leak[], report: Report, root: string): void {
  const ours = new Set(report.findings.flatMap(({ places }) => places.map(({ path, line }) => `${path.split(' → ')[0]}:${line}`)));
  const missed = leaks.filter(({ File, StartLine }) => {
    const path = File.startsWith(root) ? File.slice(root.length + 1) : File;
    return ![0, 1, 2].some((more) => ours.has(`${path}:${StartLine + more}`));
  });
  console.log(
    `  gitleaks finds ${leaks.length}, Waybill ${report.findings.length} (at ${ours.size} lines); gitleaks alone ${missed.length}:`,
  );
  for (const { RuleID, File, StartLine } of missed.slice(0, 25)) console.log(`    ${RuleID}  ${File}:${StartLine}`);
}

async function tree(name: string, folder: string): Promise<void> {
  const bytes = bytesOf(folder);
  // What takes minutes is measured once.
  const rounds = bytes > 30e6 ? 1 : 3;
  console.log(`${name}: ${(bytes / 1e6).toFixed(0)} MB`);
  const ours = await measure(
    join(project, 'bin/waybill'),
    ['scan', 'secrets', '.', '--format', 'json', '--output', join(work, 'ours.json')],
    folder,
    rounds,
  );
  if (ours) tell('Waybill', ours, bytes);
  const theirs = await measure(gitleaks, ['dir', '.', '--no-banner', '-f', 'json', '-r', join(work, 'theirs.json')], folder, rounds);
  if (!ours || !theirs) {
    console.log('SKIPPED: the comparison with gitleaks, which is not here');
    return;
  }
  tell('gitleaks', theirs, bytes);
  console.log(`  ratio ${(theirs.seconds / ours.seconds).toFixed(1)} (goal: 10)`);
  compare(
    JSON.parse(readFileSync(join(work, 'theirs.json'), 'utf8')) as Leak[],
    JSON.parse(readFileSync(join(work, 'ours.json'), 'utf8')) as Report,
    folder,
  );
}

async function history(): Promise<void> {
  const { stdout } = await execa('git', ['rev-list', '--count', '--all'], { cwd: project });
  console.log(`the history of this project: ${stdout} commits`);
  const clone = join(work, 'clone');
  await execa('git', ['clone', '--quiet', '--bare', project, clone]);
  const forget = () => rmSync(join(clone, 'waybill'), { recursive: true, force: true });
  const args = ['scan', 'secrets', '--history', '--format', 'json', '--output', join(work, 'ours.json')];
  const ours = await measure(join(project, 'bin/waybill'), args, clone, 3, forget);
  const again = await measure(join(project, 'bin/waybill'), args, clone);
  const theirs = await measure(gitleaks, ['git', '.', '--no-banner', '-f', 'json', '-r', join(work, 'theirs.json')], clone);
  const line = (what: string, { seconds, megabytes }: Measured) =>
    console.log(`  ${what.padEnd(14)} ${seconds.toFixed(2)} s  ${megabytes.toFixed(0)} MB held`);
  if (ours) line('Waybill', ours);
  if (again) line('Waybill again', again);
  if (!ours || !theirs) {
    console.log('SKIPPED: the comparison with gitleaks, which is not here');
    return;
  }
  line('gitleaks', theirs);
  console.log(`  ratio ${(theirs.seconds / ours.seconds).toFixed(1)} (goal: 2)`);
  compare(
    JSON.parse(readFileSync(join(work, 'theirs.json'), 'utf8')) as Leak[],
    JSON.parse(readFileSync(join(work, 'ours.json'), 'utf8')) as Report,
    clone,
  );
}

/** In this process, as the server does it: twenty files of this project, each with a line more. */
async function change(): Promise<void> {
  const folder = join(work, 'change');
  await execa('git', ['clone', '--quiet', project, folder]);
  const git = (...args: string[]) => execa('git', ['-c', 'user.name=Anna', '-c', 'user.email=anna@example.org', ...args], { cwd: folder });
  const { stdout: listed } = await git('ls-files', 'src/**/*.ts');
  for (const file of listed.split('\n').slice(0, 20))
    writeFileSync(join(folder, file), `${readFileSync(join(folder, file), 'utf8')}// more\n`);
  await git('commit', '--quiet', '--all', '--message', 'Twenty files');
  const rules = builtInRuleSet();
  let best = Infinity;
  for (let round = 0; round < 10; round++) {
    const start = performance.now();
    const { added, before } = gitRangeSource({ folder }, ['HEAD~1'], 'HEAD');
    await scanSecrets({
      source: added,
      before,
      rules,
      salt: '0'.repeat(32),
      clock: systemClock,
      scanner: 'bench',
      signal: AbortSignal.timeout(60_000),
    });
    best = Math.min(best, performance.now() - start);
  }
  console.log(`a change of 20 files: ${best.toFixed(0)} ms, starting git included (goal: 100)`);
}

try {
  const dependencies = join(work, 'dependencies');
  cpSync(join(project, 'node_modules'), dependencies, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !/node_modules\/(?:\.bin|node-[a-z]+-)/.test(path),
  });
  await tree('dependencies of this project', dependencies);
  for (const folder of ['/usr/share/doc', '/usr/share/perl', '/usr/lib/python3']) if (existsSync(folder)) await tree(folder, folder);
  await history();
  await change();
} finally {
  rmSync(work, { recursive: true, force: true });
}
