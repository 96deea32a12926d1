import type { RunState } from './state.ts';
import type { TreeScan } from '../plan/scan-levels.ts';
import { isFinal, isGood } from './status.ts';

/** What can be started now. */
export type Work =
  | { readonly do: 'stage'; readonly stage: string }
  | { readonly do: 'skip'; readonly stage: string; readonly reason: string }
  | { readonly do: 'scan'; readonly scan: TreeScan }
  | { readonly do: 'image'; readonly image: string }
  | { readonly do: 'deploy'; readonly environment: string }
  | { readonly do: 'finish' };

/**
 * The way through a plan, pure: a scan starts at once, a stage when its needs are good, an image when every stage and scan is, a deploy when every image is
 * and the deploy before it. Behind something that failed nothing starts, so the earliest, cheapest no is the last word.
 */
export function decide(state: RunState): readonly Work[] {
  if (isFinal(state.status)) return [];
  if (state.head.refused !== undefined) return [{ do: 'finish' }];
  const plan = state.head.plan;
  const statusOf = new Map(state.stages.map((stage) => [stage.name, stage.status]));
  const work: Work[] = state.scans.filter((scan) => scan.status === 'waiting').map(({ name }) => ({ do: 'scan', scan: name }));
  const found = state.scans.find((scan) => isFinal(scan.status) && !isGood(scan.status));
  for (const stage of plan.stages) {
    if (statusOf.get(stage.name) !== 'waiting') continue;
    const needs = stage.needs.map((name) => ({ name, status: statusOf.get(name) ?? 'failed' }));
    const bad = needs.find((need) => isFinal(need.status) && !isGood(need.status));
    if (found) work.push({ do: 'skip', stage: stage.name, reason: `the scan of ${found.name} has ${found.status}` });
    else if (bad) work.push({ do: 'skip', stage: stage.name, reason: `needs ${bad.name}, which has ${bad.status}` });
    else if (needs.every((need) => isGood(need.status))) work.push({ do: 'stage', stage: stage.name });
  }
  if (work.length > 0) return work;
  const before = [...state.stages, ...state.scans];
  if (before.some((part) => !isFinal(part.status))) return [];
  if (!before.every((part) => isGood(part.status))) return [{ do: 'finish' }];

  const images = state.images.filter((image) => image.status === 'waiting');
  if (images.length > 0 && !state.images.some((image) => isFinal(image.status) && !isGood(image.status))) {
    return images.map((image) => ({ do: 'image', image: image.name }));
  }
  if (state.images.some((image) => image.status === 'running')) return [];
  if (!state.images.every((image) => isGood(image.status))) return [{ do: 'finish' }];

  for (const deploy of state.deploys) {
    if (deploy.status === 'running') return [];
    if (deploy.status === 'waiting') return [{ do: 'deploy', environment: deploy.environment }];
    if (!isGood(deploy.status)) return [{ do: 'finish' }];
  }
  return [{ do: 'finish' }];
}
