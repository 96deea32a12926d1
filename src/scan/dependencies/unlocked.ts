import type { Skipped } from '../coverage.ts';
import type { Lack, Reading } from './reader.ts';

/** Manifests that name libraries without versions, and what locks them: whether it is there is known when the whole tree was seen. */
export class Unlocked {
  /** Base names of what was read, by folder. */
  readonly #seen = new Map<string, string[]>();
  readonly #lacks: { readonly path: string; readonly lack: Lack }[] = [];
  readonly #fillings = new Map<string, Reading>();

  /** Also of a file that could not be read: that is told already. */
  saw(path: string): void {
    const names = this.#seen.get(folderOf(path));
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (names) names.push(name);
    else this.#seen.set(folderOf(path), [name]);
  }

  lacks(path: string, lack: Lack): void {
    this.#lacks.push({ path, lack });
  }

  fills(path: string, reading: Reading): void {
    this.#fillings.set(path, reading);
  }

  settled(): { readonly fillings: readonly Reading[]; readonly gaps: readonly Skipped[] } {
    const fillings = new Map<string, Reading>();
    const gaps: Skipped[] = [];
    for (const { path, lack } of this.#lacks) {
      const lock = this.#lockOf(path, lack);
      if (lock === undefined) gaps.push({ path, reason: 'unknown-format', detail: lack.detail });
      const filling = lock === undefined ? undefined : this.#fillings.get(lock);
      if (lock !== undefined && filling) fillings.set(lock, filling);
    }
    return { fillings: [...fillings.values()], gaps };
  }

  #lockOf(path: string, { locks, above }: Lack): string | undefined {
    for (let folder: string | undefined = folderOf(path); folder !== undefined; folder = above ? parentOf(folder) : undefined) {
      const name = this.#seen.get(folder)?.find((each) => locks.test(each));
      if (name !== undefined) return folder === '' ? name : `${folder}/${name}`;
    }
    return undefined;
  }
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const parentOf = (folder: string): string | undefined => (folder === '' ? undefined : folderOf(folder));
