import path from 'node:path';
import type { AdvisoryUpdate } from '../cli/context.ts';
import { systemClock } from '../kernel/clock.ts';
import { folderSource } from '../scan/advisories/folder-source.ts';
import type { AdvisorySource } from '../scan/advisories/source.ts';
import { updateDatabase, type EcosystemUpdate } from '../scan/advisories/update.ts';
import { downloadSource, osvExports } from './advisory-download.ts';

/** An address is one with a scheme; anything else is a folder. @throws WaybillError INVALID_INPUT */
export function advisorySource(from: string, asOf?: Date): AdvisorySource {
  const told = asOf === undefined ? {} : { asOf };
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(from)
    ? downloadSource(from, { ...told, now: () => systemClock.now() })
    : folderSource(path.resolve(from), told);
}

/** For the command line and for the server's timer: see `updateDatabase`. */
export async function updateAdvisories(options: AdvisoryUpdate): Promise<readonly EcosystemUpdate[]> {
  const { folder, from = osvExports, ecosystems, asOf, signal, progress } = options;
  return await updateDatabase({
    folder,
    source: advisorySource(from, asOf),
    ...(ecosystems === undefined ? {} : { ecosystems }),
    clock: systemClock,
    signal,
    progress,
  });
}
