import type { Component } from '../component.ts';

export type Needs = readonly (readonly [from: string, to: readonly string[]])[];

/** Everything that can be come to from some ids, themselves among them. */
export function reachable(roots: readonly string[], needs: Needs): ReadonlySet<string> {
  const graph = new Map<string, (readonly string[])[]>();
  for (const [from, to] of needs) {
    const known = graph.get(from);
    if (known) known.push(to);
    else graph.set(from, [to]);
  }
  const seen = new Set<string>();
  const queue = [...roots];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    for (const to of graph.get(id) ?? []) for (const target of to) if (!seen.has(target)) queue.push(target);
  }
  return seen;
}

/** For lock files that mark nothing as being for development: what neither `runtime` nor `optional` leads to is. */
export function scopedByReach(
  components: readonly Component[],
  needs: Needs,
  roots: { readonly runtime: readonly string[]; readonly optional: readonly string[] },
): readonly Component[] {
  const runtime = reachable(roots.runtime, needs);
  const optional = reachable(roots.optional, needs);
  return components.map((component) => ({
    ...component,
    scope: runtime.has(component.purl) ? 'runtime' : optional.has(component.purl) ? 'optional' : 'development',
  }));
}
