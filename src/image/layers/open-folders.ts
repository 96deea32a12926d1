import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';

const file = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const folder = file | constants.O_DIRECTORY;

/**
 * The folders on the way to the file that is read, each opened through the one above it without following a link (Linux: `/proc/PID/fd/N/name`,
 * which is openat(2)): whatever is swapped for a link meanwhile, what is opened lies in the tree. Files come in the order of a walk, so
 * most of the way is open already.
 */
export class OpenFolders implements Disposable {
  #root = '';
  readonly #way: { readonly name: string; readonly fd: number }[] = [];

  /**
   * @param root real path of the tree, which nobody else can swap
   * @param path below it
   * @returns a descriptor that the caller closes. @throws what open(2) does, ELOOP for a link in the path
   */
  openFile(root: string, path: string): number {
    // Elsewhere the stamp alone tells what was opened.
    if (process.platform !== 'linux') return openSync(join(root, path), file);
    if (root !== this.#root || this.#way.length === 0) {
      this[Symbol.dispose]();
      this.#root = root;
      this.#way.push({ name: '', fd: openSync(root, folder) });
    }
    const names = path.split('/');
    const last = names.pop() ?? '';
    let depth = 0;
    while (depth < names.length && this.#way[depth + 1]?.name === names[depth]) depth++;
    this.#closeBelow(depth);
    for (const name of names.slice(depth)) this.#way.push({ name, fd: openSync(this.#through(name), folder) });
    return openSync(this.#through(last), file);
  }

  #through(name: string): string {
    return `/proc/${process.pid}/fd/${this.#way.at(-1)?.fd}/${name}`;
  }

  #closeBelow(depth: number): void {
    while (this.#way.length > depth + 1) closeSync(this.#way.pop()?.fd ?? -1);
  }

  [Symbol.dispose](): void {
    this.#closeBelow(-1);
  }
}
