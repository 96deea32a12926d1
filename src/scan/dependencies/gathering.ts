import type { Component, Inventory } from '../component.ts';
import type { Place } from '../finding.ts';
import type { Reading } from './reader.ts';

const mostPlaces = 100;

/** One component for each purl, however many files name it. */
export class Gathering {
  readonly #locked = new Map<string, Component>();
  readonly #installed = new Map<string, Component>();
  readonly #needs = new Map<string, Set<string>>();

  get size(): number {
    return this.#locked.size + this.#installed.size;
  }

  add({ components, needs, installed }: Reading): void {
    const all = installed ? this.#installed : this.#locked;
    for (const component of components) {
      const known = all.get(component.purl);
      all.set(component.purl, known ? merge(known, component) : component);
    }
    for (const [from, to] of needs) {
      const known = this.#needs.get(from) ?? new Set<string>();
      for (const target of to) known.add(target);
      this.#needs.set(from, known);
    }
  }

  inventory(): Inventory {
    const all = new Map(this.#locked);
    for (const [purl, component] of this.#installed) {
      const locked = all.get(purl);
      all.set(purl, locked ? merge(locked, { ...component, scope: locked.scope }) : component);
    }
    const components = [...all.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
    const needs = [...this.#needs].filter(([from, to]) => to.size > 0 || from.startsWith('.')).sort(([a], [b]) => (a < b ? -1 : 1));
    return { components, needs: new Map(needs.map(([from, to]) => [from, [...to].sort()])) };
  }
}

const scopes = { runtime: 0, optional: 1, development: 2 } as const;

/** The more it matters, the more it counts: used at run time by one of two projects is used at run time. */
function merge(a: Component, b: Component): Component {
  const places = new Map<string, Place>([...a.places, ...b.places].map((place) => [JSON.stringify(place), place]));
  const hashes = new Map([...a.hashes, ...b.hashes].map((hash) => [`${hash.algorithm}:${hash.hex}`, hash]));
  return {
    ...a,
    scope: scopes[a.scope] <= scopes[b.scope] ? a.scope : b.scope,
    hashes: [...hashes.values()],
    places: [...places.values()].slice(0, mostPlaces),
  };
}
