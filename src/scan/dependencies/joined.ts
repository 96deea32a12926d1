import type { Inventory } from '../component.ts';

/**
 * What is in an image and what its source runs with, in one: a program that was bundled into a file shows nothing of what it is made of. What is for development only
 * stays out.
 * @returns also what was found in the source alone
 */
export function joined(image: Inventory, source: Inventory): { readonly inventory: Inventory; readonly sourceOnly: ReadonlySet<string> } {
  const known = new Set(image.components.map(({ purl }) => purl));
  const more = source.components.filter(({ purl, scope }) => scope !== 'development' && !known.has(purl));
  const kept = new Set([...known, ...more.map(({ purl }) => purl)]);
  const needs = new Map(image.needs);
  for (const [from, to] of source.needs) {
    if (!from.startsWith('.') && !kept.has(from)) continue;
    const both = new Set([...(needs.get(from) ?? []), ...to.filter((target) => target.startsWith('.') || kept.has(target))]);
    needs.set(from, [...both].sort());
  }
  return {
    inventory: {
      components: [...image.components, ...more].sort((a, b) => (a.purl < b.purl ? -1 : 1)),
      needs: new Map([...needs].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
    sourceOnly: new Set(more.map(({ purl }) => purl)),
  };
}
