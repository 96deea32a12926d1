import type { Digest } from '../kernel/digest.ts';
import type { GitOid } from '../kernel/git-oid.ts';

/**
 * What the gate knows: signed by the signer (DSSE, payload type below), with a sequence number that never goes backwards.
 * The gate decides from this alone; see trust.md "Look up, don't crawl" and docs/guides.
 */
export const snapshotPayloadType = 'application/vnd.waybill.snapshot.v1+json';

export type Snapshot = {
  readonly version: 1;
  /** Size of the ledger when it was made: a newer snapshot never has a smaller one. */
  readonly sequence: number;
  readonly issuedAt: string;
  /** After this moment the gate warns that it is old; entries hold until their own `validUntil`. */
  readonly expiresAt: string;
  readonly images: readonly SnapshotImage[];
  /** Digests that were admitted once and must not be any more, with the reason. */
  readonly revoked: readonly { readonly digest: Digest; readonly reason: string }[];
};

/** Exists only for a digest whose verification summary (VSA) was signed with the result PASSED. */
export type SnapshotImage = BuiltEntry | ImportedEntry;

type Entry = {
  readonly digest: Digest;
  /** Repository in the registry, without host: `shop/shop`. */
  readonly repository: string;
  readonly validUntil: string;
};

/** A third-party image that people vouched for; nothing is known about its source. */
export type ImportedEntry = Entry & {
  readonly imported: {
    readonly number: number;
    /** Where it comes from. */
    readonly reference: string;
    readonly requestedBy: string;
    readonly approvals: readonly string[];
    /** Ids of keys that an administrator trusts for it and that have signed it upstream, verified by the signer. */
    readonly signedBy?: readonly string[];
  };
};

/** What papers of scans say, as far as policies ask. Times are RFC 3339. */
export type ScanSummary = {
  readonly secrets?: { readonly at: string };
  readonly sbom?: true;
  readonly vulnerabilities?: {
    /** When the newest look at source and image began; of the run's own, when the older of its two ended. */
    readonly at: string;
    /** Of what is neither waived nor said to do no harm; absent when there is nothing of that kind. */
    readonly worst?: 'low' | 'medium' | 'high' | 'critical' | 'unknown';
    /** Of the oldest advisories that something was looked up in; absent when there was nothing to look up. */
    readonly databaseAt?: string;
    /** By severity: since when it is at least that bad, where it was better when its run built it. */
    readonly since?: { readonly [severity in 'low' | 'medium' | 'high' | 'critical' | 'unknown']?: string };
  };
};

/** Built by a run. */
export type BuiltEntry = Entry & {
  readonly imported?: never;
  readonly source: { readonly repository: string; readonly commit: GitOid; readonly tree: GitOid };
  readonly review?: { readonly change: number; readonly method: 'identical' | 'mechanical-merge'; readonly approvals: readonly string[] };
  readonly tests: readonly { readonly stage: string; readonly passed: boolean }[];
  readonly provenance: boolean;
  /** Absent: nobody looked, or it was built before there were scans. */
  readonly scans?: ScanSummary;
  readonly run: number;
};
