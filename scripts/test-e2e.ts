/** `npm run test:e2e [-- --suite NAME]`: every end-to-end test, one file after another; what was skipped is said again at the end. */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** For one test; a machine with other work to do takes several times what an idle one takes. */
const testLimitMs = 15 * 60_000;

type Suite = { readonly file: string; readonly status: number; readonly seconds: number; readonly skipped: readonly string[] };

/** One file in a process of its own, its output as it comes; lines that begin with SKIPPED: are kept. */
async function run(file: string): Promise<Suite> {
  const started = performance.now();
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--test', '--test-reporter=spec', `--test-timeout=${testLimitMs}`, file],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    process.stdout.write(chunk);
  });
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  const lines = Buffer.concat(chunks).toString('utf8').split('\n');
  const skipped = lines.map((line) => /SKIPPED: .*/.exec(line)?.[0]).filter((line) => line !== undefined);
  return { file, status, seconds: Math.round((performance.now() - started) / 1000), skipped };
}

const { values } = parseArgs({ options: { suite: { type: 'string', multiple: true }, help: { type: 'boolean', default: false } } });
const all = globSync('{src,test}/**/*.e2e.test.ts', { cwd: root }).sort();
if (values.help) {
  process.stdout.write(`npm run test:e2e [-- --suite NAME]…\n\nFiles whose path holds NAME, or all of them:\n  ${all.join('\n  ')}\n`);
  process.exit(0);
}
const { suite: wanted = [''] } = values;
const files = all.filter((file) => wanted.some((name) => file.includes(name)));
if (files.length === 0) {
  process.stderr.write(`no suite is called ${wanted.join(', ')}; there are:\n  ${all.join('\n  ')}\n`);
  process.exit(2);
}

let interrupted = false;
// The test that runs gets the terminal's Ctrl-C itself and cleans up; no other is started.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    interrupted = true;
  });

const suites: Suite[] = [];
for (const file of files) {
  if (interrupted) break;
  process.stdout.write(`\n── ${file}\n`);
  suites.push(await run(file));
}

const skipped = suites.flatMap((suite) => suite.skipped.map((line) => `${suite.file}: ${line}`));
process.stdout.write('\n');
for (const { file, status, seconds } of suites) process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${file}  ${seconds} s\n`);
if (skipped.length > 0) process.stdout.write(`\n!! ${skipped.length} skipped; nothing is known about them:\n  ${skipped.join('\n  ')}\n`);
const failed = suites.filter((suite) => suite.status !== 0);
process.stdout.write(`\n${suites.length} suites, ${failed.length} failed, ${skipped.length} skipped.\n`);
process.exit(interrupted ? 130 : failed.length > 0 ? 1 : 0);
