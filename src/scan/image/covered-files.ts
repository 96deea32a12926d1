import { speaksOf } from '../advisories/speaks-of.ts';
import type { AdvisoryDatabase } from '../advisories/database.ts';
import { splitEcosystem } from '../advisories/ecosystems.ts';
import type { Component } from '../component.ts';
import type { Skipped } from '../coverage.ts';
import type { FileList } from '../dependencies/reader.ts';
import { ownersOf, type FileSums } from './package-files.ts';

/** A program or an archive of which nobody can say what it consists of. */
export type Opaque = { readonly path: string; readonly sums: FileSums; readonly skipped: readonly Skipped[] };

/** Who signs as a distribution's own packages' maintainer. Of those whose maintainers have addresses everywhere, the advisories alone tell. */
const makers: Readonly<Record<string, RegExp>> = {
  Debian: /@(?:[\w-]+\.)*debian\.org>?$/,
  Ubuntu: /@(?:[\w-]+\.)*(?:ubuntu|canonical)\.com>?$/,
  Alpine: /@(?:[\w-]+\.)*alpinelinux\.org>?$/,
};

/**
 * What a package of the distribution has brought is answered for by the advisories about that package, and no gap: when the file is what was installed, the package is of
 * the distribution, and there are advisories for its release. A package from somewhere else (a vendor's own .deb) has nobody who publishes about it, and stays a gap, as
 * does a file that was replaced.
 */
export function coverOpaque(
  opaque: readonly Opaque[],
  known: { readonly lists: readonly FileList[]; readonly packages: readonly Component[]; readonly database: AdvisoryDatabase },
): readonly Skipped[] {
  const owners = ownersOf(known.lists, new Map(opaque.map(({ path, sums }) => [path, sums])));
  return opaque.flatMap(({ path, skipped }) => {
    const owner = owners.get(path);
    if (!owner) return skipped;
    const owning = known.packages.find(
      ({ name, purl }) => name === owner.name && purl.startsWith(owner.manager === 'dpkg' ? 'pkg:deb/' : 'pkg:apk/'),
    );
    const named = `the package ${owner.name}${owning ? ` ${owning.version}` : ''}`;
    const why = !owning
      ? `${named} has it, and is not installed`
      : owner.unchanged
        ? unanswered(owning, known.database, named)
        : `${named} has installed another file there`;
    return skipped.map((each): Skipped =>
      why === undefined
        ? { ...each, reason: 'covered', detail: `${each.detail}; covered by ${named}, whose advisories are looked up` }
        : { ...each, detail: `${each.detail}; ${why}` },
    );
  });
}

/** Why a package's advisories do not answer for its files; undefined: they do. */
function unanswered(owning: Component, database: AdvisoryDatabase, named: string): string | undefined {
  const { base } = splitEcosystem(owning.ecosystem);
  switch (speaksOf(database, owning)) {
    case 'package':
      return undefined;
    case 'nothing':
      return `${named} has installed it, and there are no advisories for ${owning.ecosystem}`;
    case 'release':
      return makers[base]?.test(owning.maintainer?.trim() ?? '') === true
        ? undefined
        : `${named} has installed it, which is not known to be of ${base}: nobody publishes advisories about it`;
  }
}
