/** `node scripts/boundaries/main.ts`: prints each forbidden import of src/ as `file:line: message`; exits with 1 if there is any. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkBoundaries } from './check.ts';

const root = fileURLToPath(new URL('../../src', import.meta.url));
const entries = await readdir(root, { recursive: true, withFileTypes: true });
const sources = new Map<string, string>();
for (const entry of entries) {
  if (!entry.isFile() || !/\.[cm]?[jt]sx?$/.test(entry.name)) continue;
  const file = join(entry.parentPath, entry.name);
  sources.set(relative(root, file).split(sep).join('/'), await readFile(file, 'utf8'));
}
// A guard that looks at nothing is content with everything.
if (sources.size === 0) throw new Error(`no source files in ${root}`);
const violations = checkBoundaries(sources);
for (const { file, line, message } of violations) console.log(`src/${file}:${line}: ${message}`);
console.log(`${sources.size} files, ${violations.length} violations`);
process.exitCode = violations.length === 0 ? 0 : 1;
