import { WaybillError } from '../kernel/error.ts';
import { nearest } from './nearest.ts';
import type { Plan, PlannedStage } from './plan.ts';
import { shown } from './problem.ts';

/**
 * What `waybill run [STAGE|JOB]` runs: the whole plan; one stage; or one job, by its name or as STAGE/JOB. What a chosen
 * stage needs is not run with it. A name that is both a stage and a job is the stage.
 * @throws WaybillError NOT_FOUND when there is none, INVALID_INPUT when several stages have such a job.
 */
export function selectForLocal(plan: Plan, name?: string): PlannedStage[] {
  if (name === undefined) return [...plan.stages];
  const stage = plan.stages.find((candidate) => candidate.name === name);
  if (stage !== undefined) return [{ ...stage, needs: [] }];
  const jobs = plan.stages.flatMap((candidate) =>
    candidate.jobs
      .filter((job) => job.name === name || `${candidate.name}/${job.name}` === name)
      .map((job) => ({ ...candidate, needs: [], jobs: [job] })),
  );
  if (jobs.length > 1) {
    const choices = jobs.map((candidate) => `${candidate.name}/${name}`).join(', ');
    throw new WaybillError('INVALID_INPUT', `several stages have a job ${shown(name)}`, { fix: `Say which: ${choices}.` });
  }
  if (jobs.length === 1) return jobs;
  const names = plan.stages.flatMap((candidate) => [
    candidate.name,
    ...candidate.jobs.flatMap((job) => [job.name, `${candidate.name}/${job.name}`]),
  ]);
  const suggestion = nearest(name, names);
  const known = plan.stages.map((candidate) => candidate.name).join(', ');
  throw new WaybillError('NOT_FOUND', `no stage or job ${shown(name)} in the plan for ${plan.event}`, {
    fix:
      suggestion === undefined ? (known === '' ? `No stage is on ${plan.event}.` : `Stages: ${known}.`) : `Did you mean "${suggestion}"?`,
  });
}
