import type { ExternalRegistry } from '../external/record.ts';

/** An external registry with the use `mirror`. */
export type Mirror = {
  readonly name: string;
  readonly server: string;
  readonly prefix?: string;
  readonly tagMs: number;
  readonly quotaBytes: number;
};

const defaultTagSeconds = 300;
const defaultQuotaBytes = 20 * 1024 ** 3;

export function mirrorOf(record: ExternalRegistry): Mirror {
  const { tagSeconds = defaultTagSeconds, quotaBytes = defaultQuotaBytes } = record.mirror ?? {};
  return {
    name: record.name,
    server: record.server,
    tagMs: tagSeconds * 1000,
    quotaBytes,
    ...(record.prefix === undefined ? {} : { prefix: record.prefix }),
  };
}
