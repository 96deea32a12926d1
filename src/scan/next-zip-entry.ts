import type { Entry, ZipFile } from 'yauzl';

/** Of an archive that was opened with `lazyEntries`; undefined behind the last. Rejects with what yauzl says of a broken one. */
export function nextZipEntry(zip: ZipFile): Promise<Entry | undefined> {
  return new Promise((resolve, reject) => {
    const done = (act: () => void) => {
      zip.removeAllListeners();
      act();
    };
    zip.once('entry', (entry) => done(() => resolve(entry)));
    zip.once('end', () => done(() => resolve(undefined)));
    zip.once('error', (error: Error) => done(() => reject(error)));
    zip.readEntry();
  });
}
