import type { Component, Inventory } from '../component.ts';
import type { Place } from '../finding.ts';
import type { Reading } from './reader.ts';

const mostPlaces = 100;

/** One component for each purl, however many files name it. */
export class Gathering {
  readonly #locked = new Map<string, Gathered>();
  readonly #installed = new Map<string, Gathered>();
  readonly #needs = new Map<string, Set<string>>();

  get size(): number {
    return this.#locked.size + this.#installed.size;
  }

  add({ components, needs, installed }: Pick<Reading, 'components' | 'needs' | 'installed'>): void {
    const all = installed ? this.#installed : this.#locked;
    for (const component of components) {
      const known = all.get(component.purl);
      if (known) known.merge(component);
      else all.set(component.purl, new Gathered(component));
    }
    for (const [from, to] of needs) {
      const known = this.#needs.get(from) ?? new Set<string>();
      for (const target of to) known.add(target);
      this.#needs.set(from, known);
    }
  }

  inventory(): Inventory {
    const all = new Map([...this.#locked].map(([purl, gathered]) => [purl, gathered.component]));
    for (const [purl, { component }] of this.#installed) {
      const locked = all.get(purl);
      if (!locked) all.set(purl, component);
      else {
        const both = new Gathered(locked);
        both.merge({ ...component, scope: locked.scope });
        all.set(purl, both.component);
      }
    }
    const components = [...all.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
    const needs = [...this.#needs].filter(([from, to]) => to.size > 0 || from.startsWith('.')).sort(([a], [b]) => (a < b ? -1 : 1));
    return { components, needs: new Map(needs.map(([from, to]) => [from, [...to].sort()])) };
  }
}

const scopes = { runtime: 0, optional: 1, development: 2 } as const;

/** One component from all that name it: the cost of one more does not grow with those that were there. */
class Gathered {
  readonly #first: Component;
  #scope: Component['scope'];
  /** Only when there is more than the first has. */
  #places: Map<string, Place> | undefined;
  #hashes: Map<string, Component['hashes'][number]> | undefined;

  constructor(first: Component) {
    this.#first = first;
    this.#scope = first.scope;
  }

  /** The more it matters, the more it counts: used at run time by one of two projects is used at run time. */
  merge({ scope, places, hashes }: Component): void {
    if (scopes[scope] < scopes[this.#scope]) this.#scope = scope;
    this.#places ??= new Map(this.#first.places.map((place) => [JSON.stringify(place), place]));
    for (const place of places) if (this.#places.size < mostPlaces) this.#places.set(JSON.stringify(place), place);
    if (hashes.length === 0) return;
    this.#hashes ??= new Map(this.#first.hashes.map((hash) => [`${hash.algorithm}:${hash.hex}`, hash]));
    for (const hash of hashes) if (this.#hashes.size < mostPlaces) this.#hashes.set(`${hash.algorithm}:${hash.hex}`, hash);
  }

  get component(): Component {
    return {
      ...this.#first,
      scope: this.#scope,
      ...(this.#places ? { places: [...this.#places.values()] } : {}),
      ...(this.#hashes ? { hashes: [...this.#hashes.values()] } : {}),
    };
  }
}
