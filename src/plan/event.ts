/** Why a run exists (product.md's word). */
export const events = ['change', 'merge', 'tag', 'schedule', 'manual'] as const;
export type Event = (typeof events)[number];
