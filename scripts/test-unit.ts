/** `node scripts/test-unit.ts [FILE…] [--test-…]`: all tests beside the code that need neither root, containers nor a cluster. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const given = process.argv.slice(2);
const files = given.some((argument) => !argument.startsWith('-')) ? [] : ['{src,scripts,test,bench}/**/!(*.e2e).test.ts'];
// Tests mostly wait for processes and disks; node's own default is one file at a time on two cores.
const concurrency = `--test-concurrency=${Math.max(2, availableParallelism())}`;
const { status } = spawnSync(process.execPath, ['--test', concurrency, ...given, ...files], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
