/**
 * `npm run test:e2e [-- --suite NAME] [--at-once N]`: every end-to-end test, two files at a time, since most of them wait more than they work. What a file says comes
 * when it has ended, so that two never talk at once; what was skipped is said again at the end.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** For one test; a machine with other work to do takes several times what an idle one takes. */
const testLimitMs = 15 * 60_000;

type Suite = {
  readonly file: string;
  readonly status: number;
  readonly seconds: number;
  readonly skipped: readonly string[];
  readonly failures: string;
};

/** One file in a process of its own; lines that begin with SKIPPED: are kept. */
async function run(file: string): Promise<Suite> {
  const started = performance.now();
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--test', '--test-reporter=spec', `--test-timeout=${testLimitMs}`, file],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  const text = Buffer.concat(chunks).toString('utf8');
  process.stdout.write(`\n── ${file}\n${text}`);
  const lines = text.split('\n');
  const skipped = lines.map((line) => /SKIPPED: .*/.exec(line)?.[0]).filter((line) => line !== undefined);
  const mark = text.lastIndexOf('✖ failing tests:');
  const failures = status === 0 ? '' : mark < 0 ? text.slice(-8_000) : text.slice(mark, mark + 8_000);
  return { file, status, seconds: Math.round((performance.now() - started) / 1000), skipped, failures };
}

const { values } = parseArgs({
  options: { suite: { type: 'string', multiple: true }, 'at-once': { type: 'string' }, help: { type: 'boolean', default: false } },
});
const all = globSync('{src,test}/**/*.e2e.test.ts', { cwd: root }).sort();
if (values.help) {
  process.stdout.write(
    `npm run test:e2e [-- --suite NAME]… [--at-once N]\n\nFiles whose path holds NAME, or all of them:\n  ${all.join('\n  ')}\n`,
  );
  process.exit(0);
}
const { suite: wanted = [''] } = values;
const files = all.filter((file) => wanted.some((name) => file.includes(name)));
if (files.length === 0) {
  process.stderr.write(`no suite is called ${wanted.join(', ')}; there are:\n  ${all.join('\n  ')}\n`);
  process.exit(2);
}

const waiting = [...files];
let interrupted = false;
// Tests that run get the terminal's Ctrl-C themselves and clean up; no other is started.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    interrupted = true;
    waiting.length = 0;
  });

const atOnce = Number(values['at-once'] ?? Math.min(2, availableParallelism()));
if (!Number.isInteger(atOnce) || atOnce < 1) throw new Error('--at-once wants a whole number from 1 on');
const suites: Suite[] = [];
const worker = async (): Promise<void> => {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    process.stdout.write(`… ${file}\n`);
    suites.push(await run(file));
  }
};
await Promise.all(Array.from({ length: atOnce }, worker));
suites.sort((a, b) => (a.file < b.file ? -1 : 1));

const skipped = suites.flatMap((suite) => suite.skipped.map((line) => `${suite.file}: ${line}`));
process.stdout.write('\n');
for (const { file, status, seconds } of suites) process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${file}  ${seconds} s\n`);
if (skipped.length > 0) process.stdout.write(`\n!! ${skipped.length} skipped; nothing is known about them:\n  ${skipped.join('\n  ')}\n`);
const failed = suites.filter((suite) => suite.status !== 0);
// Once more at the end, since that is what a reader of a long log sees first.
for (const { file, failures } of failed) process.stdout.write(`\n── ${file}\n${failures.trimEnd()}\n`);
process.stdout.write(`\n${suites.length} suites, ${failed.length} failed, ${skipped.length} skipped.\n`);
process.exit(interrupted ? 130 : failed.length > 0 ? 1 : 0);
