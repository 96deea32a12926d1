import { posix } from 'node:path';
import type { AdvisoryDatabase } from '../advisories/database.ts';
import type { Component } from '../component.ts';
import type { Skipped } from '../coverage.ts';
import type { Gathering } from '../dependencies/gathering.ts';
import type { FileList } from '../dependencies/reader.ts';
import type { ImageFinding } from '../finding.ts';
import type { SkipList } from '../skip-list.ts';
import { coverOpaque, type Opaque } from './covered-files.ts';
import { habitFinding, isRoot } from './habits.ts';
import type { LastState } from './last-state.ts';
import { rooted } from './layer-files.ts';
import type { ImagePlatform } from './layered-image.ts';
import type { Seen } from './look-into-layer.ts';
import { released, type OsRelease } from './os-release.ts';
import { unreleased } from './readers/os-packages.ts';

type Into = {
  readonly gathering: Gathering;
  readonly skips: Pick<SkipList, 'add'>;
  readonly habits: Map<string, ImageFinding>;
  readonly configuration: string;
  /** Gaps that were told: platforms of one image share most of what cannot be read. */
  readonly told: Set<string>;
  readonly database: AdvisoryDatabase;
};

/** What the file system consists of in the end, and what of it could not be read. @returns which system it is, when it says so */
export function gatherState(state: LastState<Seen>, { user, layers }: ImagePlatform, into: Into): OsRelease | undefined {
  const { gathering, skips, habits, configuration } = into;
  const release = releaseOf(state);
  const skip = (skipped: Skipped) => {
    const key = JSON.stringify(skipped);
    if (!into.told.has(key)) skips.add(skipped);
    into.told.add(key);
  };
  let hasDatabase = false;
  const lists: FileList[] = [];
  const packages: Component[] = [];
  const opaque: Opaque[] = [];
  for (const [path, { readings, skipped, habits: shown, layer, link, sums }] of state.entries()) {
    const at = { digest: layer.digest, createdBy: layer.createdBy };
    for (const each of skipped) skip(each);
    const elsewhere = link === undefined ? undefined : leadsAway(path, link);
    if (elsewhere) skip(elsewhere);
    for (const reading of readings) {
      if (!sums) for (const each of reading.skipped) skip(each);
      const isSystem = reading.components.some(({ ecosystem }) => ecosystem === unreleased.dpkg || ecosystem === unreleased.apk);
      hasDatabase ||= isSystem;
      const components = reading.components.map((component): Component => ({
        ...released(component, release),
        places: component.places.map((place) => ({ ...place, layer: at })),
      }));
      gathering.add({ ...reading, components });
      if (isSystem) packages.push(...components);
      if (reading.files) lists.push(reading.files);
    }
    if (isDatabase(path)) hasDatabase ||= skipped.length > 0 || readings.some((reading) => reading.skipped.length > 0);
    if (sums) opaque.push({ path, sums, skipped: readings.flatMap((reading) => reading.skipped) });
    for (const habit of shown) habits.set(`${habit} ${path}`, habitFinding(habit, { path, layer: at }));
  }
  for (const each of coverOpaque(opaque, { lists, packages, database: into.database })) skip(each);
  if (release && release.id !== '' && !hasDatabase)
    skip({
      path: 'etc/os-release',
      reason: 'unknown-format',
      detail: `it is ${`${release.id} ${release.version}`.trim()}, and nothing says which packages of it there are`,
    });
  const top = layers.at(-1);
  if (isRoot(user))
    habits.set(
      'root-user',
      habitFinding('root-user', {
        path: configuration,
        ...(top ? { layer: { digest: top.digest, createdBy: top.createdBy } } : {}),
      }),
    );
  return release;
}

const isDatabase = (path: string) => /^(?:var\/lib|usr\/lib|lib|nix)\//.test(path);

/** os-release is mostly a link, and in some systems one to a link. */
function releaseOf(state: LastState<Seen>): OsRelease | undefined {
  for (const start of ['etc/os-release', 'usr/lib/os-release']) {
    let path = start;
    for (let hops = 0; hops < 8; hops++) {
      const seen = state.get(path);
      if (seen?.release) return seen.release;
      if (seen?.link === undefined) break;
      path = resolved(path, seen.link);
    }
  }
  return undefined;
}

function resolved(path: string, link: string): string {
  return rooted(link.startsWith('/') ? link : posix.join(posix.dirname(path), link));
}

/** Packages are looked for where they usually are. A link that leads there is fine: `lib` to `usr/lib`, one `node_modules` to another. */
function leadsAway(path: string, link: string): Skipped | undefined {
  const target = resolved(path, link);
  if (/(?:^|\/)(?:node_modules|site-packages|dist-packages)(?:\/|$)/.test(target)) return undefined;
  if (path.endsWith('os-release') || target === `usr/${path}` || `usr/${target}` === path) return undefined;
  return {
    path,
    reason: 'unreadable',
    detail: `a link to ${target.slice(0, 200)}: packages are not looked for there`,
  };
}
