import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';

/**
 * Where steps find node and npm: the folders on the server's own PATH that hold them, when those are not below /usr (nvm, asdf, a clone's
 * own Node). Home folders stay invisible otherwise, so each such installation is shown read-only by itself.
 */
export function findToolchains(searchPath: string, programs: readonly string[]): { folders: string[]; path: string[] } {
  const folders = new Set<string>();
  const found: string[] = [];
  for (const program of programs) {
    for (const folder of searchPath.split(path.delimiter)) {
      const file = path.join(folder, program);
      if (folder === '' || !path.isAbsolute(folder) || !existsSync(file)) continue;
      const real = realpathSync(file);
      const home = path.dirname(path.dirname(real));
      if (!real.startsWith('/usr/') && !folder.includes('node_modules')) {
        // …/bin/node → …, and …/lib/node_modules/npm/bin/npm-cli.js → the same installation.
        folders.add(home.endsWith('node_modules/npm') ? path.resolve(home, '..', '..', '..') : home);
        found.push(folder);
      }
      if (!folder.includes('node_modules')) break;
    }
  }
  return { folders: [...folders].filter((folder) => folder !== '/'), path: [...new Set(found)] };
}
