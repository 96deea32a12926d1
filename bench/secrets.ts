/**
 * Credentials: real trees and the history of this project, scanned by Waybill, by gitleaks and by secretlint (`gitleaks` and `secretlint` in PATH, or the files that GITLEAKS and SECRETLINT
 * name), in turns. Prints the medians of seconds, MB/s, ratios, the most memory that each held, and every line in which gitleaks found something and Waybill did not. Asserts nothing.
 * Takes some five minutes: whoever has had a minute for one tree gets no further round.
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

type Contender = { readonly name: string; readonly program: string; readonly args: readonly string[]; before?(): void };
type Measured = { readonly name: string; readonly seconds: number; readonly megabytes: number; readonly rounds: number };

/** Statuses 0 and 1 are answers; undefined: it is not here, or gives none. Memory is the most of the process itself. */
async function once({ program, args }: Contender, cwd: string): Promise<{ seconds: number; megabytes: number } | undefined> {
  const start = performance.now();
  const child = spawn(program, args, { cwd, stdio: 'ignore' });
  let megabytes = 0;
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
  return status === 0 || status === 1 ? { seconds: (performance.now() - start) / 1000, megabytes } : undefined;
}

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;

/** In turns, so that what else the machine does meets all of them. */
async function compete(contenders: readonly Contender[], cwd: string, rounds = 5): Promise<readonly Measured[]> {
  const times = contenders.map(() => [] as number[]);
  const memory = contenders.map(() => 0);
  const out = new Set<number>();
  for (let round = 0; round < rounds; round++)
    for (const [index, contender] of contenders.entries()) {
      const spent = times[index]?.reduce((sum, each) => sum + each, 0) ?? 0;
      if (out.has(index) || spent > 60) continue;
      contender.before?.();
      const measured = await once(contender, cwd);
      if (!measured) {
        out.add(index);
        continue;
      }
      times[index]?.push(measured.seconds);
      memory[index] = Math.max(memory[index] ?? 0, measured.megabytes);
    }
  return contenders.flatMap(({ name }, index) => {
    const all = times[index] ?? [];
    if (out.has(index)) console.log(`SKIPPED: the comparison with ${name}, which is not here`);
    return out.has(index) ? [] : [{ name, seconds: median(all), megabytes: memory[index] ?? 0, rounds: all.length }];
  });
}

function bytesOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function tell(all: readonly Measured[], goal: string, bytes?: number): void {
  const own = all.find(({ name }) => name === 'Waybill');
  for (const { name, seconds, megabytes, rounds } of all) {
    const speed = bytes === undefined ? '' : `${(bytes / 1e6 / seconds).toFixed(0).padStart(5)} MB/s  `;
    const ratio =
      own && name !== 'Waybill' && !name.startsWith('Waybill') ? `  ratio ${(seconds / own.seconds).toFixed(1)} (goal: ${goal})` : '';
    console.log(
      `  ${name.padEnd(13)} ${seconds.toFixed(2).padStart(7)} s  ${speed}${megabytes.toFixed(0).padStart(5)} MB held  (median of ${rounds})${ratio}`,
    );
  }
}

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

const output = (name: string) => join(work, `${name}.json`);
const waybill = (...args: readonly string[]): Contender => ({
  name: 'Waybill',
  program: join(project, 'bin/waybill'),
  args: ['scan', 'secrets', ...args, '--format', 'json', '--output', output('ours')],
});
const peer = (command: string): Contender => ({
  name: 'gitleaks',
  program: gitleaks,
  args: [command, '.', '--no-banner', '-f', 'json', '-r', output('theirs')],
});

function compareReports(all: readonly Measured[], root: string): void {
  if (!all.some(({ name }) => name === 'gitleaks')) return;
  compare(JSON.parse(readFileSync(output('theirs'), 'utf8')) as Leak[], JSON.parse(readFileSync(output('ours'), 'utf8')) as Report, root);
}

async function tree(name: string, folder: string): Promise<void> {
  const bytes = bytesOf(folder);
  console.log(`${name}: ${(bytes / 1e6).toFixed(0)} MB`);
  const contenders = [waybill('.'), peer('dir')];
  if (bytes < 30e6) contenders.push(secretlintIn(folder));
  const all = await compete(contenders, folder);
  tell(all, '10', bytes);
  compareReports(all, folder);
}

/** With its recommended rules, on the same files. */
function secretlintIn(folder: string): Contender {
  const config = join(work, 'secretlintrc.json');
  writeFileSync(config, JSON.stringify({ rules: [{ id: '@secretlint/secretlint-rule-preset-recommend' }] }));
  return {
    name: 'secretlint',
    program: process.env['SECRETLINT'] ?? 'secretlint',
    args: ['--secretlintrc', config, '--no-gitignore', `${folder}/**/*`],
  };
}

async function history(): Promise<void> {
  const { stdout } = await execa('git', ['rev-list', '--count', '--all'], { cwd: project });
  console.log(`the history of this project: ${stdout} commits`);
  const clone = join(work, 'clone');
  await execa('git', ['clone', '--quiet', '--bare', project, clone]);
  const forget = () => rmSync(join(clone, 'waybill'), { recursive: true, force: true });
  const all = await compete([{ ...waybill('--history'), before: forget }, peer('git')], clone);
  const again = await compete([{ ...waybill('--history'), name: 'Waybill again' }], clone);
  tell([...all, ...again], '2');
  compareReports(all, clone);
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
  const times: number[] = [];
  for (let round = 0; round < 15; round++) {
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
    times.push(performance.now() - start);
  }
  console.log(
    `a change of 20 files: ${median(times).toFixed(0)} ms (median of ${times.length}; ${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)}), starting git included (goal: 100)`,
  );
}

try {
  const dependencies = join(work, 'dependencies');
  cpSync(join(project, 'node_modules'), dependencies, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !/node_modules\/(?:\.bin|node-[a-z]+-)/.test(path),
  });
  await tree('dependencies of this project', dependencies);
  for (const folder of ['/usr/share/perl', '/usr/lib/python3']) if (existsSync(folder)) await tree(folder, folder);
  await history();
  await change();
} finally {
  rmSync(work, { recursive: true, force: true });
}
