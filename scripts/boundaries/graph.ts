import { posix } from 'node:path';
import type { Facts, Import } from './facts.ts';

/** An import that leads to a file of the tree. */
export type Edge = { readonly to: string; readonly by: Import };
export type Graph = ReadonlyMap<string, readonly Edge[]>;

/** Path below src/ that a relative specifier means; undefined for a package. */
export function targetOf(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(from), specifier)) : undefined;
}

export function graphOf(files: ReadonlyMap<string, Facts>): Graph {
  const graph = new Map<string, Edge[]>();
  for (const [path, facts] of files)
    graph.set(
      path,
      facts.imports.flatMap((by) => {
        const to = by.specifier === undefined ? undefined : targetOf(path, by.specifier);
        return to !== undefined && files.has(to) ? [{ to, by }] : [];
      }),
    );
  return graph;
}

/** The shortest ways from `start` to every file that can be reached over edges that `follow` accepts: file → edges. */
export function reachFrom(graph: Graph, start: string, follow: (edge: Edge) => boolean = () => true): Map<string, readonly Edge[]> {
  const ways = new Map<string, readonly Edge[]>([[start, []]]);
  // A Map can grow while it is walked, so it is the queue as well.
  for (const [path, way] of ways)
    for (const edge of graph.get(path) ?? []) if (follow(edge) && !ways.has(edge.to)) ways.set(edge.to, [...way, edge]);
  return ways;
}

/** One ring of files for each knot of files that import each other; type imports count. */
export function cyclesOf(graph: Graph): string[][] {
  const cycles: string[][] = [];
  const told = new Set<string>();
  for (const start of graph.keys()) {
    if (told.has(start)) continue;
    const reached = reachFrom(graph, start);
    const back = [...reached].filter(([path]) => (graph.get(path) ?? []).some((edge) => edge.to === start));
    const shortest = back.sort(([, a], [, b]) => a.length - b.length)[0];
    if (shortest === undefined) continue;
    for (const [path] of reached) if (reachFrom(graph, path).has(start)) told.add(path);
    cycles.push([start, ...shortest[1].map((edge) => edge.to)]);
  }
  return cycles;
}
