import { digestOf } from '../../kernel/digest.ts';
import { canonicalJson } from '../../kernel/json.ts';
import type { Component, Inventory } from '../component.ts';
import type { Skipped } from '../coverage.ts';
import type { Place, VulnerabilityFinding } from '../finding.ts';
import { vulnerabilitiesOf } from './vulnerabilities.ts';

/** What a list of components is about. */
export type SbomSubject = {
  /** `container` for an image, `application` for a tree. */
  readonly type: 'container' | 'application';
  readonly name: string;
  readonly version?: string;
  /** Of an image: `pkg:oci/…`. */
  readonly purl?: string;
};

export type SbomOptions = {
  readonly inventory: Inventory;
  readonly subject: SbomSubject;
  /** `waybill VERSION`. */
  readonly scanner: string;
  /** Left out, the document depends on the inventory alone: equal inventories, equal bytes. RFC 3339. */
  readonly timestamp?: string;
  /** purls that were found in the source only, and not in the image. */
  readonly sourceOnly?: ReadonlySet<string>;
  /** What could not be read: then the list says of itself that it is incomplete, and why. */
  readonly gaps?: readonly Skipped[];
  readonly vulnerabilities?: readonly VulnerabilityFinding[];
};

const longestVersion = 1_024;
const rootRef = 'waybill:subject';
const names = { sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' } as const;

/** A CycloneDX 1.6 document (ECMA-424), one line of canonical JSON. `sbom.test.ts` holds it against the official schema. */
export function sbomOf(options: SbomOptions): string {
  const { inventory, subject, scanner, timestamp, gaps = [], vulnerabilities } = options;
  const [tool = 'waybill', version = '0'] = scanner.split(' ');
  const projects = [...inventory.needs.keys()].filter((name) => name.startsWith('.')).sort();
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      ...(timestamp === undefined ? {} : { timestamp }),
      tools: { components: [{ type: 'application', name: tool, version }] },
      component: { 'bom-ref': rootRef, ...subject, version: shown(subject.version) },
      ...(gaps.length === 0
        ? {}
        : { properties: gaps.map(({ path, detail }) => ({ name: 'waybill:not-read', value: `${path}: ${detail}` })) }),
    },
    components: [
      ...projects.map((project) => ({
        'bom-ref': project,
        type: 'application',
        name: project,
        properties: [{ name: 'waybill:project', value: project }],
      })),
      ...inventory.components.map((component) => componentOf(component, options.sourceOnly?.has(component.purl) === true)),
    ],
    dependencies: dependenciesOf(inventory, projects),
    ...(gaps.length === 0 ? {} : { compositions: [{ aggregate: 'incomplete', assemblies: [rootRef], dependencies: [rootRef] }] }),
    vulnerabilities: vulnerabilities === undefined ? undefined : vulnerabilitiesOf(vulnerabilities),
  };
  // Written once, with the number between the names that sort before it and those behind: a large list takes seconds.
  const { specVersion, version: edition, vulnerabilities: found, ...rest } = document;
  const [before, behind] = [
    canonicalJson(rest).slice(0, -1),
    canonicalJson({ specVersion, version: edition, vulnerabilities: found }).slice(1),
  ];
  return `${before},"serialNumber":"urn:uuid:${uuidOf(`${before},${behind}`)}",${behind}`;
}

function componentOf(component: Component, sourceOnly: boolean): object {
  const { purl, ecosystem, name, version, scope, source, hashes, places } = component;
  const slash = name.lastIndexOf(ecosystem === 'Maven' ? ':' : '/');
  const group = slash > 0 && (ecosystem === 'npm' || ecosystem === 'Maven') ? name.slice(0, slash) : undefined;
  return {
    'bom-ref': purl,
    type: 'library',
    ...(group === undefined ? {} : { group }),
    name: group === undefined ? name : name.slice(slash + 1),
    version: shown(version),
    purl,
    scope: scope === 'runtime' ? 'required' : scope === 'optional' ? 'optional' : 'excluded',
    ...(hashes.length === 0 ? {} : { hashes: hashes.map(({ algorithm, hex }) => ({ alg: names[algorithm], content: hex })) }),
    properties: [
      { name: 'waybill:ecosystem', value: ecosystem },
      { name: 'waybill:name', value: name },
      ...(source ? [{ name: 'waybill:source', value: `${source.name}@${source.version}` }] : []),
      ...(sourceOnly ? [{ name: 'waybill:found-in', value: 'source' }] : []),
      ...places.slice(0, 20).map((place) => ({ name: 'waybill:place', value: placeText(place) })),
    ],
  };
}

/** The schema has no room for more; the purl has all of it. A lock file can say that it is anything. */
function shown(version: string | undefined): string | undefined {
  return version !== undefined && version.length > longestVersion ? `${version.slice(0, longestVersion - 1)}…` : version;
}

/** Everything has an entry, as the specification advises: one without `dependsOn` needs nothing. */
function dependenciesOf(inventory: Inventory, projects: readonly string[]): readonly object[] {
  const refs = new Set([...projects, ...inventory.components.map(({ purl }) => purl)]);
  const needed = new Set([...inventory.needs].flatMap(([, to]) => to));
  const loose = inventory.components.map(({ purl }) => purl).filter((purl) => !needed.has(purl));
  const entry = (ref: string, to: readonly string[]) => {
    const known = [...new Set(to)].filter((target) => refs.has(target) && target !== ref).sort();
    return { ref, ...(known.length === 0 ? {} : { dependsOn: known }) };
  };
  return [
    entry(rootRef, [...projects.filter((project) => !needed.has(project)), ...loose]),
    ...[...refs].sort().map((ref) => entry(ref, inventory.needs.get(ref) ?? [])),
  ];
}

export function placeText({ path, line }: Place): string {
  return line === undefined ? path : `${path}:${line}`;
}

/** RFC 9562, version 8: made of the content, so that equal documents have equal numbers. */
function uuidOf(text: string): string {
  const hex = digestOf(text).slice('sha256:'.length);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16)}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
