import type { Advisory } from './advisory.ts';

/** More than a notice is ever about; one with more is told as one. */
const mostUpstream = 300;

/** What advisories say of one vulnerability of one component. */
export type Merged<Hit> = { readonly id: string; readonly aliases: readonly string[]; readonly hits: readonly Hit[] };

/**
 * Advisories of the same vulnerability under one name. `aliases` are the same thing; so is `upstream` when there is one (DEBIAN-CVE-… is CVE-…). A notice about
 * several (`upstream` of an RHSA or a DSA) is told once for each of them, with the notice among the names. `related` says nothing.
 */
export function mergeNames<Hit extends { readonly advisory: Advisory }>(hits: readonly Hit[]): readonly Merged<Hit>[] {
  const units = hits.flatMap((hit) => unitsOf(hit.advisory).map((unit) => ({ ...unit, hit })));
  const parent = new Map<string, string>();
  const rootOf = (name: string): string => {
    let root = name;
    for (let up = parent.get(root); up !== undefined && up !== root; up = parent.get(root)) root = up;
    for (let at = name; at !== root;) {
      const up = parent.get(at) ?? root;
      parent.set(at, root);
      at = up;
    }
    return root;
  };
  for (const { names } of units) for (const name of names) parent.set(rootOf(name), rootOf(names[0] ?? name));
  const groups = new Map<string, { names: Set<string>; hits: Set<Hit> }>();
  for (const { names, notices, hit } of units) {
    const root = rootOf(names[0] ?? '');
    const group = groups.get(root) ?? { names: new Set(), hits: new Set() };
    groups.set(root, group);
    for (const name of [...names, ...notices]) group.names.add(name);
    group.hits.add(hit);
  }
  return [...groups.values()].map(({ names, hits: members }) => {
    const [id = '', ...aliases] = [...names].sort((a, b) => rank(a) - rank(b) || compareIds(a, b));
    return { id, aliases, hits: [...members] };
  });
}

function unitsOf({
  id,
  aliases,
  upstream,
}: Advisory): readonly { readonly names: readonly string[]; readonly notices: readonly string[] }[] {
  const own = [id, ...aliases];
  if (upstream.length === 1) return [{ names: [...own, ...upstream], notices: [] }];
  if (upstream.length === 0 || upstream.length > mostUpstream || own.some((name) => name.startsWith('CVE-')))
    return [{ names: own, notices: [] }];
  return upstream.map((name) => ({ names: [name], notices: own }));
}

/** How well a name is known. */
const prefixes = ['CVE-', 'MAL-', 'GHSA-', 'PYSEC-', 'GO-', 'RUSTSEC-'];

function rank(name: string): number {
  const at = prefixes.findIndex((prefix) => name.startsWith(prefix));
  return at === -1 ? prefixes.length : at;
}

/** CVE-2021-999 before CVE-2021-1000. */
function compareIds(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true }) || (a < b ? -1 : 1);
}
