import type { Component } from '../component.ts';
import { purlOf } from '../dependencies/purl.ts';
import { unreleased } from './readers/os-packages.ts';

export type OsRelease = { readonly id: string; readonly version: string; readonly like: readonly string[] };

/** os-release(5). */
export function parseOsRelease(text: string): OsRelease {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line.trim()) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, value.replace(/^(["'])(.*)\1$/, '$2'));
  }
  return {
    id: fields.get('ID') ?? '',
    version: fields.get('VERSION_ID') ?? '',
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
  const known = ecosystems[id];
  const ecosystem = known?.(release?.version ?? '') ?? `${id || 'a system without os-release'}:${release?.version ?? ''}`;
  const type = manager === unreleased.dpkg ? 'deb' : 'apk';
  return {
    ...component,
    ecosystem,
    purl: purlOf(type, `${id || (type === 'deb' ? 'debian' : 'alpine')}/${component.name}`, component.version),
  };
}
