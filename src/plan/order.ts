import type { Event } from './event.ts';

/** What the order of stages depends on. */
export type Orderable = { readonly name: string; readonly on: readonly Event[]; readonly needs?: readonly string[] | undefined };

/** The stages of an event's plan in file order; a `merge` plan holds the `change` stages first (pipeline-file.md). */
export function stagesFor<T extends Orderable>(stages: readonly T[], event: Event): T[] {
  if (event !== 'merge') return stages.filter((stage) => stage.on.includes(event));
  const early = stages.filter((stage) => stage.on.includes('change'));
  return [...early, ...stages.filter((stage) => stage.on.includes('merge') && !stage.on.includes('change'))];
}

/** Name → names of the stages it waits for, within one plan: its own `needs`, or the stage before it. */
export function needsOf(planned: readonly Orderable[]): Map<string, readonly string[]> {
  const needs = new Map<string, readonly string[]>();
  planned.forEach((stage, index) => {
    const before = planned[index - 1];
    needs.set(stage.name, [...new Set(stage.needs ?? (before === undefined ? [] : [before.name]))]);
  });
  return needs;
}

/**
 * Every stage behind the stages it needs, otherwise as given. `cycles` holds each ring that makes that impossible, written
 * from the stage that stands first: ['a', 'b'] for a → b → a. Needs that are not keys of the map are left out.
 */
export function ordered(needs: ReadonlyMap<string, readonly string[]>): { readonly order: string[]; readonly cycles: string[][] } {
  const order: string[] = [];
  const done = new Set<string>();
  const names = [...needs.keys()];
  const ready = (name: string): boolean => !done.has(name) && (needs.get(name) ?? []).every((need) => done.has(need) || !needs.has(need));
  for (let next = names.find(ready); next !== undefined; next = names.find(ready)) {
    done.add(next);
    order.push(next);
  }
  return {
    order,
    cycles: cyclesAmong(
      names.filter((name) => !done.has(name)),
      needs,
    ),
  };
}

function cyclesAmong(rest: readonly string[], needs: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const left = new Set<string>();
  const trail: string[] = [];
  const visit = (name: string): void => {
    const start = trail.indexOf(name);
    if (start !== -1) cycles.push(fromFirst(trail.slice(start), rest));
    if (start !== -1 || left.has(name)) return;
    trail.push(name);
    for (const need of needs.get(name) ?? []) if (rest.includes(need)) visit(need);
    trail.pop();
    left.add(name);
  };
  for (const name of rest) visit(name);
  return cycles;
}

function fromFirst(cycle: readonly string[], names: readonly string[]): string[] {
  const first = cycle.reduce((best, name, index) => (names.indexOf(name) < names.indexOf(cycle[best] ?? '') ? index : best), 0);
  return [...cycle.slice(first), ...cycle.slice(0, first)];
}
