/**
 * Run by `npm pack`: writes src/ without types into dist/, because Node strips no types below node_modules. Imports of `.ts`, and the URLs of threads, become `.js`;
 * tests and their kits stay out. `--clean` removes dist/ again, so that a clone never runs a copy of yesterday.
 */
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

if (!process.argv.includes('--clean')) {
  const left = /(\.test\.ts|\.fixture\.ts|\/testing\.ts|\/testing\/.*|\/test-[\w-]+\.ts|\/contract\.ts|\/fixture\.ts)$/;
  const files = globSync('**/*.{ts,mjs}', { cwd: path.join(root, 'src') }).filter((file) => !left.test(`/${file}`));
  for (const file of files) {
    const from = path.join(root, 'src', file);
    const to = path.join(dist, file.replace(/\.ts$/, '.js'));
    mkdirSync(path.dirname(to), { recursive: true });
    if (file.endsWith('.ts')) writeFileSync(to, withoutTypes(readFileSync(from, 'utf8')));
    else cpSync(from, to);
  }
  console.error(`dist/: ${files.length} files`);
}

/** The blanks that stripping leaves keep every line where it was, so that stack traces still fit the source. */
function withoutTypes(source: string): string {
  return stripTypeScriptTypes(source).replace(/((?:\bfrom|\bimport|\bnew URL)\s*\(?\s*'\.{1,2}\/[^'\n]*)\.ts'/g, "$1.js'");
}
