import type { Config } from '../config/config.ts';
import type { EcosystemUpdate } from '../scan/advisories/update.ts';
import { updateAdvisories } from './update-advisories.ts';

/** The server's advisories, from where its configuration says. */
export function bringAdvisories({ folders, scan }: Config, signal: AbortSignal): Promise<readonly EcosystemUpdate[]> {
  const { from, ecosystems } = scan.advisories;
  return updateAdvisories({
    folder: folders.advisories,
    ...(from === undefined ? {} : { from }),
    ...(ecosystems === undefined ? {} : { ecosystems }),
    signal,
    progress: () => undefined,
  });
}
