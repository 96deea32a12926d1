import type { GitOid } from '../kernel/git-oid.ts';
import type { Digest } from '../kernel/digest.ts';
import type { ImageReader } from '../image/inspect/image-reader.ts';
import type { ScanReport } from '../scan/report.ts';

/** What an image is, beside what was found in it. */
export type ImageFacts = {
  /** `linux/amd64` */
  readonly platforms: readonly string[];
  /** As os-release names them: `debian 12`. Empty: none says. */
  readonly systems: readonly string[];
  /** Compressed, as it is copied; what platforms share, once. */
  readonly bytes: number;
  /** Whether it runs as root on some platform, unless told otherwise. */
  readonly root: boolean;
};

export type ScanContext = { readonly signal: AbortSignal; readonly log: (text: string) => void };

/** `sbom`: a document of ours. `source`: the tree whose VEX counts; otherwise none does. */
export type ComponentList = { readonly sbom: string; readonly source?: { readonly repository: string; readonly commit: GitOid } };

/** The scanners, with the rules and advisories that this server has. They read repositories and what they are handed, and nothing else. */
export type Scanners = {
  /** `waybill VERSION`, as in records. */
  readonly scanner: string;
  /**
   * Credentials in the tree of a commit; with `since`, in everything that the commits after it brought, whether or not it is still there.
   */
  secrets(
    of: {
      readonly repository: string;
      readonly commit: GitOid;
      readonly since?: GitOid;
      /** All branches, tags and versions of changes instead, but for what was looked at before and is clean. */
      readonly history?: true;
      /** The commit whose rules of the repository's own count. */
      readonly rulesFrom: GitOid;
      /** Of its waivers. */
      readonly salt: string | undefined;
    },
    context: ScanContext,
  ): Promise<ScanReport>;
  /** Vulnerable libraries of a tree. */
  dependencies(of: { readonly repository: string; readonly commit: GitOid }, context: ScanContext): Promise<ScanReport>;
  /** What is in an image, wherever it is read from; and its list of components, as CycloneDX. */
  image(
    of: {
      readonly image: ImageReader;
      readonly digest: Digest;
      readonly name: string;
      /** Of what was built here: the tree that it was built from, and whose rules and VEX count. */
      readonly source?: { readonly repository: string; readonly commit: GitOid };
      /** Of the waivers of that tree. */
      readonly salt: string | undefined;
    },
    context: ScanContext,
  ): Promise<{ readonly report: ScanReport; readonly sbom: string; readonly facts: ImageFacts }>;
  /**
   * What today's advisories say about lists of components that earlier scans made: a report for each, all of them from the same advisories. They began before the
   * advisories were opened, so that what is newer than their beginning may be missing in them, and nothing else.
   */
  rematch(lists: readonly ComponentList[], context: ScanContext): Promise<readonly ScanReport[]>;
};
