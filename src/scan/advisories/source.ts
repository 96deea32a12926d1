import type { RecordFiles } from './record-files.ts';
import type { AdvisoryLimits } from './limits.ts';

/** What a source said of an export when it was last brought, to ask whether there is a newer one. */
export type Validators = { readonly etag?: string; readonly lastModified?: string };

export type Fetched =
  /** As it was when `known` was said. */
  | { readonly outcome: 'unchanged'; readonly current: Date }
  | {
      readonly outcome: 'new';
      readonly records: RecordFiles;
      readonly validators: Validators;
      /** When the source was last known to be current. */ readonly current: Date;
    };

/** Where exports of advisories come from: OSV's own address or a mirror of it (`main/advisory-download.ts`), or a folder (`folder-source.ts`). */
export type AdvisorySource = {
  /** An address or an absolute path. */
  readonly name: string;
  /** Ecosystems that it has, without releases; undefined: it cannot say. */
  ecosystems(signal: AbortSignal): Promise<readonly string[] | undefined>;
  /**
   * Brings the export of one ecosystem.
   * @param scratch a file that may be written; it is removed after the records were read
   * @throws WaybillError NOT_FOUND when there is none, UNREACHABLE, LIMIT_EXCEEDED, DEADLINE_EXCEEDED
   */
  fetch(request: {
    readonly ecosystem: string;
    readonly known: Validators | undefined;
    readonly scratch: string;
    readonly limits: AdvisoryLimits;
    readonly signal: AbortSignal;
    readonly progress: (bytes: number, of: number | undefined) => void;
  }): Promise<Fetched>;
};
