import { WaybillError } from '../kernel/error.ts';
import type { Scanners } from '../ops/scanners.ts';

/** The scanners of the server. Plans name no scans before they are all here. */
export function openScanners(): Scanners {
  const absent = async (): Promise<never> => {
    throw new WaybillError('UNSUPPORTED', 'this server has no scanners');
  };
  return { secrets: absent, dependencies: absent, image: absent, rematch: absent };
}
