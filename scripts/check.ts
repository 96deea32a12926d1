/** `npm run check [-- NAME…]`: everything that must hold before a change is proposed, all of it even when something fails. */
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const programs = join(root, 'node_modules', '.bin');
const deadlineMs = 20 * 60 * 1000;

type Check = { readonly name: string; readonly command: readonly [program: string, ...args: readonly string[]] };

const checks: readonly Check[] = [
  { name: 'format', command: [join(programs, 'oxfmt'), '--check', '.'] },
  { name: 'lint', command: [join(programs, 'oxlint'), '.'] },
  { name: 'types', command: [join(programs, 'tsc'), '-p', '.'] },
  { name: 'boundaries', command: [process.execPath, 'scripts/boundaries/main.ts'] },
  { name: 'unit tests', command: [process.execPath, 'scripts/test-unit.ts', '--test-reporter=spec'] },
];

/** Runs one check; its output is shown only when it fails, except for tests that say loudly that they were skipped. */
async function run({ command: [program, ...args] }: Check): Promise<{ passed: boolean; output: string }> {
  const env = { ...process.env, PATH: `${programs}${delimiter}${process.env['PATH'] ?? ''}`, NO_COLOR: '1' };
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: deadlineMs });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ passed: false, output: `${output}${error.message}\n` }));
    child.on('close', (code, signal) =>
      resolve({ passed: code === 0, output: signal === null ? output : `${output}ended by ${signal}\n` }),
    );
  });
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !checks.some((check) => check.name === name));
if (unknown.length > 0) {
  console.error(`no check ${unknown.join(', ')}; there are: ${checks.map((check) => check.name).join(', ')}`);
  process.exit(2);
}
const summary: string[] = [];
for (const check of checks.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const start = performance.now();
  const { passed, output } = await run(check);
  const line = `${passed ? 'ok    ' : 'FAILED'} ${check.name.padEnd(12)} ${((performance.now() - start) / 1000).toFixed(1)} s`;
  console.log(line);
  const skipped = output.split('\n').filter((text) => text.includes('SKIPPED:'));
  console.log(passed ? skipped.map((text) => `       ${text.trim()}\n`).join('') : output);
  summary.push(line);
  if (!passed) process.exitCode = 1;
}
console.log(`${summary.join('\n')}\n${process.exitCode === 1 ? 'Not everything holds.' : 'Everything holds.'}`);
