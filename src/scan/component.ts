import type { Place } from './finding.ts';

/** One version of one package, as some lock file, installed tree or package database names it. */
export type Component = {
  /** Package URL (purl-spec), canonical, without qualifiers that do not identify: the identity of the component. */
  readonly purl: string;
  /** As OSV's schema names it: `npm`, `PyPI`, `Go`, `crates.io`, `Maven`, `Debian:12`, `Alpine:v3.20`. */
  readonly ecosystem: string;
  /** As advisories of the ecosystem spell it: `@scope/name`, `group:artifact`, PyPI's in PEP 503's normal form. */
  readonly name: string;
  readonly version: string;
  /** What advisories of distributions are about, where it differs: the source package. */
  readonly source?: { readonly name: string; readonly version: string };
  /** Of a package of a system: who maintains it, as the package says. */
  readonly maintainer?: string;
  readonly scope: 'runtime' | 'development' | 'optional';
  /** As the lock file has them; hexadecimal. */
  readonly hashes: readonly { readonly algorithm: 'sha1' | 'sha256' | 'sha384' | 'sha512'; readonly hex: string }[];
  readonly places: readonly Place[];
};

/** What a tree or an image consists of. */
export type Inventory = {
  /** Each purl once, in its order. */
  readonly components: readonly Component[];
  /** Purl → purls of what it needs directly. Projects of the tree are named by their path with a leading `./` (`./`, `./web`). */
  readonly needs: ReadonlyMap<string, readonly string[]>;
};
