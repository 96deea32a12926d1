import type { Digest } from '../kernel/digest.ts';
import type { Severity } from './severity.ts';

/** Where something was found. */
export type Place = {
  /** In the tree or in the image, relative, with `/`; names inside of archives and decoded texts follow after ` → `. */
  readonly path: string;
  /** From 1. */
  readonly line?: number;
  /** From 1, in UTF-16 units of the line. */
  readonly column?: number;
  /** Of a finding in history: commits that hold it, newest first; cut off at a hundred. */
  readonly commits?: readonly string[];
  readonly layer?: { readonly digest: Digest; readonly createdBy: string };
};

type Common = {
  /** What it is, wherever it stands: equal for the same thing after a move, and in another scan of the same repository. */
  readonly key: string;
  readonly severity: Severity;
  readonly title: string;
  /** What to do. */
  readonly fix: string;
  /** Never empty. */
  readonly places: readonly Place[];
};

/** A credential. Neither it nor a part of it stands in here, nor a fast hash of it. */
export type SecretFinding = Common & {
  readonly kind: 'secret';
  readonly rule: string;
  /** In UTF-16 units. */
  readonly length: number;
  /** Of the value: scrypt with the repository's salt. What waivers name. */
  readonly fingerprint: string;
  /** What its own format tells offline: a checksum, an expiry. */
  readonly validity: 'unknown' | 'well-formed' | 'malformed' | 'expired';
  /** Why it may be there: `waybill:allow` in each of its lines, reviewed like the line itself. */
  readonly allowed?: string;
};

/** A published vulnerability in a component. */
export type VulnerabilityFinding = Common & {
  readonly kind: 'vulnerability';
  /** The best-known of all its names: the CVE where there is one. */
  readonly id: string;
  readonly aliases: readonly string[];
  readonly purl: string;
  readonly ecosystem: string;
  readonly package: string;
  readonly version: string;
  /** CVSS vector, and its score from 0 to 10. */
  readonly vector?: string;
  readonly score?: number;
  /** Versions that fix it, the nearest to the one in use first. Empty: there is none. */
  readonly fixed: readonly string[];
  /** How the component came in: from a project or a direct dependency down to it; the shortest first, cut off at five. */
  readonly paths: readonly (readonly string[])[];
  readonly url?: string;
  /** From VEX: why somebody says that it does no harm here. */
  readonly notAffected?: string;
};

/** Something in an image that should not be there. */
export type ImageFinding = Common & {
  readonly kind: 'image';
  readonly rule: string;
};

/** Something that could not be looked at. It counts like a finding, or a scan that saw nothing would be the best one. */
export type GapFinding = Common & {
  readonly kind: 'gap';
};

/** What scanners say; gaps are made from their coverage by `gate.ts`. */
export type Finding = SecretFinding | VulnerabilityFinding | ImageFinding;
export type JudgedFinding = Finding | GapFinding;
