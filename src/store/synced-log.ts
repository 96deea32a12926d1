import { open, type FileHandle } from 'node:fs/promises';
import { messageOf, WaybillError } from '../kernel/error.ts';

/**
 * SQLite's write-ahead log (sqlite.org/wal.html), synced beside the event loop. A commit is in the log's file when it returns; what a checkpoint has
 * moved out of it was synced by the checkpoint. The file stays the same one while a connection is open.
 */
export class SyncedLog {
  readonly #file: string;
  #handle: Promise<FileHandle> | undefined;

  /** @param database path of the database, or `:memory:`, which has no log */
  constructor(database: string) {
    this.#file = database === ':memory:' ? '' : `${database}-wal`;
  }

  /** What was committed before is on the disk when this resolves. @throws WaybillError STORE_FAILED */
  async sync(): Promise<void> {
    if (this.#file === '') return;
    try {
      const handle = await (this.#handle ??= open(this.#file, 'r+'));
      await handle.datasync();
    } catch (cause) {
      await this.close();
      throw new WaybillError('STORE_FAILED', `${this.#file}: ${messageOf(cause)}`, { cause });
    }
  }

  async close(): Promise<void> {
    const handle = await this.#handle?.catch(() => undefined);
    this.#handle = undefined;
    await handle?.close();
  }
}
