import { readFileSync } from 'node:fs';

/** The commit that this was built from: written by scripts/build.mjs, missing when started from a checkout. */
export function readRevision(folder = import.meta.dirname) {
  try {
    return JSON.parse(readFileSync(`${folder}/revision.json`, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return { commit: 'unbuilt' };
    throw error;
  }
}
