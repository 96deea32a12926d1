import type { Inventory } from '../component.ts';

const mostPaths = 5;
/** Of one thing, those that come first are enough for the shortest paths. */
const mostParents = 16;
/** Partial paths that are looked at for one component, and for all of them together: then the shortest path has to do. */
const mostSteps = 5_000;
const mostStepsOfAll = 2_000_000;
/** Longer ones are cut off above: nobody reads them, and searching them takes the square of their length. */
const longestPath = 100;

export type PathFinder = (purl: string) => readonly (readonly string[])[];

/**
 * How components came in: the shortest ways from a project (or from something that nothing else needs) down to them, at most five. The graph is walked once;
 * each search is bounded, also where everything needs everything.
 */
export function pathFinder({ needs }: Pick<Inventory, 'needs'>): PathFinder {
  const parents = new Map<string, string[]>();
  for (const [parent, children] of needs) {
    for (const child of new Set(children)) {
      if (child === parent) continue;
      const known = parents.get(child);
      if (known) known.push(parent);
      else parents.set(child, [parent]);
    }
  }
  const depths = depthsOf(needs, parents);
  const depth = (node: string) => depths.get(node) ?? Number.POSITIVE_INFINITY;
  const nearest = new Map<string, readonly string[]>();
  const parentsOf = (node: string): readonly string[] => {
    const known = nearest.get(node);
    if (known) return known;
    const sorted = (parents.get(node) ?? [])
      .filter((parent) => depths.has(parent))
      .sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1))
      .slice(0, mostParents);
    nearest.set(node, sorted);
    return sorted;
  };
  let steps = 0;
  return (purl) => {
    if (!depths.has(purl)) return [];
    if (depth(purl) > longestPath || steps > mostStepsOfAll) return [shortest(purl, depth, parentsOf)];
    const { found, taken } = search(purl, depth, parentsOf);
    steps += taken;
    return found;
  };
}

/** Upwards, each step nearer to a root; `…` stands for what is cut off. */
function shortest(purl: string, depth: (node: string) => number, parentsOf: (node: string) => readonly string[]): readonly string[] {
  const path = [purl];
  for (let node = purl; depth(node) > 0;) {
    const [parent] = parentsOf(node);
    if (parent === undefined) break;
    if (path.length >= longestPath) return ['…', ...path.toReversed()];
    path.push(parent);
    node = parent;
  }
  return path.toReversed();
}

/** Steps from a root; the roots are the projects, and what nothing needs. */
function depthsOf(needs: Inventory['needs'], parents: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, number> {
  const isRoot = (node: string) => node.startsWith('./') || !parents.has(node);
  let level = [...needs.keys()].filter(isRoot);
  const depths = new Map<string, number>(level.map((root) => [root, 0]));
  for (let depth = 1; level.length > 0; depth++) {
    const next: string[] = [];
    for (const node of level) {
      for (const child of needs.get(node) ?? []) {
        if (depths.has(child)) continue;
        depths.set(child, depth);
        next.push(child);
      }
    }
    level = next;
  }
  return depths;
}

type Partial = { readonly path: readonly string[]; readonly length: number };

/** Best first: the depth of a node is the exact length of what is still missing, so that paths come out in the order of their length. */
function search(
  purl: string,
  depth: (node: string) => number,
  parentsOf: (node: string) => readonly string[],
): { readonly found: readonly (readonly string[])[]; readonly taken: number } {
  const found: (readonly string[])[] = [];
  /** By the length of the whole path; of equal ones the last, which is the nearest to a root. */
  const waiting = new Map<number, Partial[]>([[depth(purl), [{ path: [purl], length: 0 }]]]);
  let cost = depth(purl);
  let steps = 0;
  while (steps < mostSteps && found.length < mostPaths && waiting.size > 0) {
    const partial = waiting.get(cost)?.pop();
    if (!partial) {
      waiting.delete(cost);
      cost++;
      if (!waiting.has(cost) && waiting.size > 0) cost = Math.min(...waiting.keys());
      continue;
    }
    steps++;
    const [head = ''] = partial.path;
    if (depth(head) === 0) {
      found.push(partial.path);
      continue;
    }
    for (const parent of parentsOf(head).toReversed()) {
      if (partial.path.includes(parent)) continue;
      const length = partial.length + 1;
      const whole = length + depth(parent);
      const same = waiting.get(whole) ?? [];
      waiting.set(whole, same);
      same.push({ path: [parent, ...partial.path], length });
    }
  }
  return { found, taken: steps };
}
