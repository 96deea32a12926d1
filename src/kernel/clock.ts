/** Where the time comes from: only `main/` makes the system's, tests give their own. */
export type Clock = { now(): Date };

export const systemClock: Clock = { now: () => new Date() };
