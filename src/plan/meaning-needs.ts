import { type Finding, type Place, placeOf } from './document.ts';
import { type Event, events } from './event.ts';
import { nearest } from './nearest.ts';
import { needsOf, type Orderable, ordered, stagesFor } from './order.ts';
import { pathText, shown } from './problem.ts';

/** A stage as far as `needs` are concerned; an entry of `needs` that is no text is ''. `on` holds the events that are valid. */
export type StageSketch = Orderable & { readonly index: number; readonly onIsValid: boolean };

/** `needs` must name stages that exist, that are in every plan of the stage, and that do not wait for each other. */
export function checkNeeds(stages: readonly StageSketch[], root: Place): Finding[] {
  const unique = stages.filter((stage, index) => stages.findIndex((other) => other.name === stage.name) === index);
  const plans = new Map(events.map((event) => [event, new Set(stagesFor(unique, event).map((stage) => stage.name))]));
  const names = stages.flatMap((stage) => checkNames(stage, unique, plans, root));
  // A need that is refused already takes no part in cycles.
  const refused = new Set(names.map((finding) => pathText(finding.path)));
  const sound = unique.map((stage) => ({
    ...stage,
    needs: stage.needs?.filter((_, index) => !refused.has(pathText(['stages', stage.index, 'needs', index]))),
  }));
  return [...names, ...checkCycles(sound, root)];
}

function checkNames(
  stage: StageSketch,
  stages: readonly StageSketch[],
  plans: ReadonlyMap<Event, ReadonlySet<string>>,
  root: Place,
): Finding[] {
  return (stage.needs ?? []).flatMap((need, index): Finding[] => {
    if (need === '') return [];
    const path = ['stages', stage.index, 'needs', index];
    const span = placeOf(root, path).value;
    if (stage.needs?.indexOf(need) !== index) return [{ message: `${shown(need)} is listed twice`, path, span }];
    const needed = stages.find((other) => other.name === need);
    if (needed === undefined) {
      const others = stages.filter((other) => other.name !== stage.name).map((other) => other.name);
      const suggestion = nearest(need, others);
      const expected = others.length === 0 ? 'no needs: there is no other stage' : `one of ${others.slice(0, 20).join(', ')}`;
      return [
        { message: `no stage ${shown(need)} in this file`, ...(suggestion === undefined ? { expected } : { suggestion }), path, span },
      ];
    }
    // With an event misspelt, nothing can be said about plans.
    if (!stage.onIsValid || !needed.onIsValid) return [];
    for (const [event, names] of plans) {
      if (!names.has(stage.name) || names.has(need)) continue;
      const message = `stage ${shown(need)} is not in the plan for "${event}", and ${shown(stage.name)} is`;
      return [{ message, expected: `stages that run on "${event}" too`, path, span }];
    }
    return [];
  });
}

function checkCycles(stages: readonly StageSketch[], root: Place): Finding[] {
  const told = new Set<string>();
  const findings: Finding[] = [];
  for (const event of events) {
    const planned = stagesFor(stages, event);
    for (const cycle of ordered(needsOf(planned)).cycles) {
      const ring = [...cycle, cycle[0] ?? ''].map((name) => name.slice(0, 63)).join(' → ');
      if (told.has(ring)) continue;
      told.add(ring);
      const members = cycle.flatMap((name) => stages.filter((stage) => stage.name === name));
      const written = members.find((stage) => stage.needs !== undefined);
      const silent = members.find((stage) => stage.needs === undefined);
      const path = ['stages', written?.index ?? 0, 'needs'];
      findings.push({
        message: `stages wait for each other: ${ring}`,
        ...(silent === undefined
          ? {}
          : { expected: `"needs" in stage ${shown(silent.name)}, which otherwise waits for the stage before it` }),
        path,
        span: placeOf(root, path).key ?? placeOf(root, path).value,
      });
    }
  }
  return findings;
}
