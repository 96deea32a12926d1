import { WaybillError } from '../../kernel/error.ts';
import { ecosystemOf, knownEcosystems, releaseOf, splitEcosystem } from '../advisories/ecosystems.ts';
import { parsePurl } from '../advisories/purl-match.ts';

/** What somebody looks for. */
export type Wanted =
  | { readonly kind: 'advisory'; readonly name: string }
  | {
      readonly kind: 'package';
      readonly name: string;
      /** OSV's name, without a release; undefined: any. */
      readonly ecosystem?: string;
      /** Of a distribution: the release, as advisories name it. */
      readonly release?: string;
      /** As it was given; undefined: every version. */
      readonly range?: string;
    };

const longest = 500;
const spelled = (text: string) => text.toLowerCase().replaceAll(/[\s_-]/g, '');

/** How people call ecosystems, besides their names. */
const nicknames: Readonly<Record<string, string>> = {
  pip: 'PyPI',
  python: 'PyPI',
  golang: 'Go',
  cargo: 'crates.io',
  rust: 'crates.io',
  gem: 'RubyGems',
  ruby: 'RubyGems',
  composer: 'Packagist',
  php: 'Packagist',
};
const ecosystems: ReadonlyMap<string, string> = new Map([
  ...knownEcosystems.map((name) => [spelled(name), name] as const),
  ...Object.entries(nicknames),
]);

/** Types of purl-spec whose packages are in one ecosystem alone. `deb`, `apk` and `rpm` name the distribution first. */
const purlTypes: ReadonlyMap<string, string> = new Map([
  ['npm', 'npm'],
  ['pypi', 'PyPI'],
  ['golang', 'Go'],
  ['cargo', 'crates.io'],
  ['maven', 'Maven'],
  ['gem', 'RubyGems'],
  ['nuget', 'NuGet'],
  ['composer', 'Packagist'],
  ['hex', 'Hex'],
  ['pub', 'Pub'],
]);

/** Upper case, a dash, and a number somewhere: what databases of advisories name theirs. Small letters only for the two that everybody knows. */
const advisoryName =
  /^(?:[A-Z][A-Z0-9]{1,15}-(?=[A-Za-z0-9:._-]*\d)[A-Za-z0-9:._-]{3,80}|cve-[0-9-]{4,80}|(?:GHSA|ghsa)(?:-[a-z0-9]{4}){3})$/;

/**
 * Reads `lodash`, `lodash@<4.17.21`, `npm:@scope/name@^1`, `debian:12:openssl`, a purl, `CVE-2021-44228` or `GHSA-…`.
 * @throws WaybillError INVALID_INPUT
 */
export function parseWanted(text: string): Wanted {
  const asked = text.trim();
  if (asked === '' || asked.length > longest || /[\u0000-\u001f\u007f]/.test(asked)) throw bad(asked, 'it is empty, too long or not text');
  if (asked.startsWith('pkg:')) return ofPurl(asked);
  if (advisoryName.test(asked)) return { kind: 'advisory', name: asked };
  const [, prefix, after] = /^([^:@/]{1,40}):(.+)$/s.exec(asked) ?? [];
  const ecosystem = prefix === undefined ? undefined : ecosystems.get(spelled(prefix));
  if (ecosystem === undefined || after === undefined) return packageOf(asked);
  const about = ecosystemOf(ecosystem);
  const [, release, name] = (about?.releaseOf && /^([^:@]{1,60}):([^:@]+(?:@.*)?)$/s.exec(after)) || [];
  if (!about || release === undefined || name === undefined) return packageOf(after, ecosystem);
  return { ...packageOf(name, ecosystem), release: releaseOf(about, release) };
}

type WantedPackage = Extract<Wanted, { readonly kind: 'package' }>;

function packageOf(text: string, ecosystem?: string): WantedPackage {
  const at = text.indexOf('@', 1);
  const name = (at === -1 ? text : text.slice(0, at)).trim();
  const range = at === -1 ? '' : text.slice(at + 1).trim();
  if (!/[\p{L}\p{N}]/u.test(name) || /\s/.test(name)) throw bad(text, 'it names no package');
  if (at !== -1 && range === '') throw bad(text, 'there is nothing behind the @');
  return { kind: 'package', name, ...(ecosystem === undefined ? {} : { ecosystem }), ...(range === '' || range === '*' ? {} : { range }) };
}

function ofPurl(text: string): WantedPackage {
  const purl = parsePurl(text);
  const [type = '', ...parts] = purl?.path.split('/') ?? [];
  if (!purl || parts.length === 0) throw bad(text, 'it is no package URL');
  const known = purlTypes.get(type);
  const version = purl.version === undefined ? {} : { range: purl.version };
  if (known !== undefined) return { kind: 'package', name: parts.join(known === 'Maven' ? ':' : '/'), ecosystem: known, ...version };
  const distribution = type === 'deb' || type === 'apk' || type === 'rpm' ? ecosystems.get(spelled(parts[0] ?? '')) : undefined;
  if (distribution === undefined || parts.length < 2) throw bad(text, `packages of the type ${type} are not known here`);
  return { kind: 'package', name: parts.slice(1).join('/'), ecosystem: distribution, ...version };
}

function bad(text: string, why: string): WaybillError {
  return new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 100))} is nothing that can be looked for: ${why}`, {
    fix: 'Give a package (lodash, npm:lodash@<4.17.21, debian:openssl, a purl) or the name of an advisory (CVE-…, GHSA-…).',
  });
}

/** Every spelling under which the name may stand in the index. */
export function spellingsOf({ name, ecosystem }: WantedPackage): readonly string[] {
  const of = ecosystem === undefined ? knownEcosystems : [ecosystem];
  return [...new Set([name, ...of.map((each) => ecosystemOf(each)?.nameOf(name) ?? name)])];
}

/** Whether a component of this ecosystem and name is what is looked for. */
export function isNamed(wanted: WantedPackage, component: { readonly ecosystem: string; readonly name: string }): boolean {
  const { base, suffix } = splitEcosystem(component.ecosystem);
  if (wanted.ecosystem !== undefined && wanted.ecosystem !== base) return false;
  const ecosystem = ecosystemOf(base);
  if (wanted.release !== undefined && (!ecosystem || releaseOf(ecosystem, suffix) !== wanted.release)) return false;
  return component.name === (ecosystem?.nameOf(wanted.name) ?? wanted.name);
}
