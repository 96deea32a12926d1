import { apkOrder } from './versions/apk.ts';
import { composerOrder } from './versions/composer.ts';
import { dpkgOrder, opamOrder } from './versions/dpkg.ts';
import { gemOrder } from './versions/gem.ts';
import { mavenOrder } from './versions/maven.ts';
import { cranOrder, hackageOrder } from './versions/number-list.ts';
import { nugetOrder } from './versions/nuget.ts';
import type { VersionOrder } from './versions/order.ts';
import { pep440Order } from './versions/pep440.ts';
import { rpmOrder } from './versions/rpm.ts';
import { goOrder, pubOrder, semverOrder } from './versions/semver.ts';

/** What advisories of one ecosystem go by (ossf.github.io/osv-schema, "Defined Ecosystems"). */
export type Ecosystem = {
  readonly name: string;
  readonly order: VersionOrder;
  /** One spelling for each package. */
  nameOf(name: string): string;
  /**
   * For distributions, whose advisories are about one release: how the release is told, from what stands behind the first colon. Undefined: what stands
   * there (a registry's address) does not count.
   */
  readonly releaseOf?: (suffix: string) => string;
  /** Advisories name binary packages, too. */
  readonly binaries?: true;
};

const asIs = (name: string) => name;
const lower = (name: string) => name.toLowerCase();
/** PEP 503, "Normalized Names". */
const pep503 = (name: string) => name.toLowerCase().replaceAll(/[-_.]+/g, '-');
/** crates.io takes no second crate that differs only by these. */
const crate = (name: string) => name.toLowerCase().replaceAll('_', '-');
/** As paths of the module cache have it: `!b` is `B` (go.dev/ref/mod#goproxy-protocol). Otherwise case counts. */
const module = (name: string) => name.replaceAll(/!([a-z])/g, (_, letter: string) => letter.toUpperCase());

function language(name: string, order: VersionOrder, nameOf: Ecosystem['nameOf'] = asIs): Ecosystem {
  return { name, order, nameOf };
}

function distribution(name: string, order: VersionOrder, releaseOf: (suffix: string) => string = asIs): Ecosystem {
  return { name, order, nameOf: asIs, releaseOf, ...(order === rpmOrder ? { binaries: true } : {}) };
}

/** `22.04:LTS` and `22.04` are one; `Pro:…` is another. */
const ubuntu = (suffix: string) => suffix.replace(/:LTS$/, '');
/** `enterprise_linux:8::baseos` is part of `enterprise_linux:8`. */
const redHat = (suffix: string) => suffix.replace(/::.*$/, '');
/** `v3.20` also when somebody writes `3.20` or `3.20.3`. */
const alpine = (suffix: string) => suffix.replace(/^v?(\d+\.\d+)(?:\.\d+.*)?$/, 'v$1');

const table: readonly Ecosystem[] = [
  language('npm', semverOrder),
  language('PyPI', pep440Order, pep503),
  language('Go', goOrder, module),
  language('crates.io', semverOrder, crate),
  language('Maven', mavenOrder),
  language('RubyGems', gemOrder),
  language('NuGet', nugetOrder, lower),
  language('Packagist', composerOrder, lower),
  language('Hex', semverOrder),
  language('Pub', pubOrder),
  language('GitHub Actions', semverOrder, lower),
  language('SwiftURL', semverOrder, (name) => lower(name).replace(/\.git$/, '')),
  language('Bitnami', semverOrder),
  language('Julia', semverOrder),
  language('ConanCenter', semverOrder),
  language('VSCode', semverOrder, lower),
  language('Hackage', hackageOrder),
  language('GHC', hackageOrder),
  language('CRAN', cranOrder),
  language('Bioconductor', cranOrder),
  language('opam', opamOrder),
  distribution('Debian', dpkgOrder),
  distribution('Ubuntu', dpkgOrder, ubuntu),
  distribution('Echo', dpkgOrder),
  distribution('Alpine', apkOrder, alpine),
  distribution('Alpaquita', apkOrder),
  distribution('BellSoft Hardened Containers', apkOrder),
  distribution('Chainguard', apkOrder),
  distribution('Wolfi', apkOrder),
  distribution('MinimOS', apkOrder),
  distribution('Red Hat', rpmOrder, redHat),
  distribution('AlmaLinux', rpmOrder),
  distribution('Rocky Linux', rpmOrder),
  distribution('SUSE', rpmOrder),
  distribution('openSUSE', rpmOrder),
  distribution('openEuler', rpmOrder),
  distribution('Mageia', rpmOrder),
  distribution('Photon OS', rpmOrder),
  distribution('Azure Linux', rpmOrder),
];

const byName: ReadonlyMap<string, Ecosystem> = new Map(table.map((ecosystem) => [ecosystem.name, ecosystem]));

/** Whose versions can be compared. */
export const knownEcosystems: readonly string[] = table.map(({ name }) => name);

/** What an update brings unless others are named: those whose packages Waybill reads in trees and images. */
export const usualEcosystems: readonly string[] = [
  'npm',
  'PyPI',
  'Go',
  'crates.io',
  'Maven',
  'RubyGems',
  'NuGet',
  'Packagist',
  'Debian',
  'Alpine',
];

/** `Debian:12` → `Debian` and `12`. */
export function splitEcosystem(text: string): { readonly base: string; readonly suffix: string } {
  const colon = text.indexOf(':');
  return colon === -1 ? { base: text, suffix: '' } : { base: text.slice(0, colon), suffix: text.slice(colon + 1) };
}

/** Undefined: its versions have no order that is known here. */
export function ecosystemOf(base: string): Ecosystem | undefined {
  return byName.get(base);
}

/** The release that a suffix stands for; empty: any. */
export function releaseOf(ecosystem: Ecosystem, suffix: string): string {
  return suffix === '' ? '' : (ecosystem.releaseOf?.(suffix) ?? '');
}
