/** SQLite's result for a full disk (sqlite3.h, SQLITE_FULL); extended codes hold it in their lowest byte. */
const sqliteFull = 13;

/** Whether there was no room: on the disk, in a quota of the file system, under a limit of the process, or for the database. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT' || error.code === 'EFBIG')) return true;
  if ('errcode' in error && typeof error.errcode === 'number' && (error.errcode & 0xff) === sqliteFull) return true;
  return isDiskFull(error.cause);
}
