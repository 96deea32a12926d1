import type { Generated, Kysely } from 'kysely';
import type { Severity } from '../severity.ts';

/** What images consist of, each component once. */
export type InventoryTables = {
  inventory_component: {
    readonly id: Generated<number>;
    /** As OSV names it, with its release. Empty: a project of the source, named by its path, that only stands at the beginning of ways. */
    readonly ecosystem: string;
    /** In the ecosystem's one spelling. */
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    /** The source package, where advisories are about that; else empty. */
    readonly source_name: string;
    readonly source_version: string;
    /** Digest of the advisories that it was last looked up in; empty: never. */
    matched: string;
    /** When a later look found something else about it than the one before; empty: never. */
    changed_at: Generated<string>;
  };
  inventory_image: {
    readonly id: Generated<number>;
    readonly repository: string;
    readonly digest: string;
    /** 0: no run has made it. */
    readonly run: number;
    /** The import that brought it; null: a run has made it. */
    readonly import: number | null;
    readonly sbom: string;
    readonly indexed_at: string;
    /** When the registry collected it. */
    collected_at: string | null;
    components: number;
  };
  inventory_content: {
    readonly component: number;
    readonly image: number;
    /** 0: in its source only. */
    readonly in_image: number;
    /** The component, or project, through which it came in, on a shortest way. */
    readonly via: number | null;
  };
  /** One row. Every run up to this one has ended, and its images are here. */
  inventory_progress: { readonly id: number; run: number };
  inventory_finding: {
    readonly component: number;
    readonly advisory: string;
    severity: Severity;
    title: string;
    /** JSON: versions. */
    fixed: string;
    readonly first_seen: string;
    /** 1: published after the component was first looked up. */
    readonly news: number;
    told_at: string | null;
  };
  /** Every name of an advisory, in small letters. */
  inventory_advisory_name: { readonly name: string; readonly advisory: string };
};

export type InventoryDb = Kysely<InventoryTables>;

/** Values that one statement may carry, far below what databases allow. */
export const mostValues = 500;

export function* chunks<T>(all: readonly T[], size = mostValues): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size);
}
