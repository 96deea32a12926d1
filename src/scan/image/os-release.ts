import type { Component } from '../component.ts';
import { purlOf } from '../dependencies/purl.ts';
import { unreleased } from './readers/os-packages.ts';

export type OsRelease = { readonly id: string; readonly version: string; readonly like: readonly string[] };

export const largestOsRelease = 64 * 1024;

/** os-release(5), and what links of that name lead to in some systems. */
export function isOsRelease(path: string): boolean {
  return /^(?:etc|usr\/lib)\/(?:[^/]+\/)*[a-z.-]*os[.-]release[^/]*$/.test(path) && path.length < 200;
}

/** os-release(5). */
export function parseOsRelease(text: string): OsRelease {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line.trim()) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, value.replace(/^(["'])(.*)\1$/, '$2'));
  }
  const id = fields.get('ID') ?? '';
  return {
    // os-release(5): lower-case, digits, and these. Anything else is no name of a system.
    id: /^[a-z0-9][a-z0-9._-]{0,63}$/.test(id) ? id : '',
    version: (fields.get('VERSION_ID') ?? '').slice(0, 64),
    like: (fields.get('ID_LIKE') ?? '').split(/\s+/).filter((each) => each !== ''),
  };
}

const ecosystems: Readonly<Record<string, (version: string) => string>> = {
  debian: (version) => `Debian:${version}`,
  ubuntu: (version) => `Ubuntu:${version}`,
  alpine: (version) => `Alpine:v${version.split('.').slice(0, 2).join('.')}`,
  wolfi: () => 'Wolfi',
  chainguard: () => 'Chainguard',
};

/** Packages of the system get the ecosystem and the purl of their distribution. One that has no advisories of its own is told by its name, and nothing is found in it. */
export function released(component: Component, release: OsRelease | undefined): Component {
  const manager = component.ecosystem;
  if (manager !== unreleased.dpkg && manager !== unreleased.apk) return component;
  const id = release?.id ?? '';
  const known = Object.hasOwn(ecosystems, id) ? ecosystems[id] : undefined;
  const ecosystem = known?.(release?.version ?? '') ?? `${id || 'a system without os-release'}:${release?.version ?? ''}`;
  const type = manager === unreleased.dpkg ? 'deb' : 'apk';
  return {
    ...component,
    ecosystem,
    purl: purlOf(type, `${id || (type === 'deb' ? 'debian' : 'alpine')}/${component.name}`, component.version),
  };
}
