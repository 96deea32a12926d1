/** The one union of statuses in the code base; runs, stages, jobs, steps, images and deploys all use it. */
export const statuses = ['waiting', 'running', 'passed', 'reused', 'failed', 'skipped', 'cancelled', 'interrupted'] as const;
export type Status = (typeof statuses)[number];

/** From → to. What is not listed cannot happen; a status without a way out is final. */
export const transitions: Readonly<Record<Status, readonly Status[]>> = {
  waiting: ['running', 'reused', 'failed', 'skipped', 'cancelled', 'interrupted'],
  running: ['passed', 'failed', 'cancelled', 'interrupted'],
  passed: [],
  reused: [],
  failed: [],
  skipped: [],
  cancelled: [],
  interrupted: [],
};

export function isFinal(status: Status): boolean {
  return transitions[status].length === 0;
}

/** Passed here, or in an earlier run on the same tree. */
export function isGood(status: Status): boolean {
  return status === 'passed' || status === 'reused';
}
