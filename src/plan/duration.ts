import { limits } from './limits.ts';

/** Hours, minutes and seconds, each at most once and in this order: `10m`, `90s`, `1h30m`. */
export const durationPattern = /^(?=[0-9])(?:[0-9]{1,5}h)?(?:[0-9]{1,5}m)?(?:[0-9]{1,5}s)?$/;

/** Milliseconds; undefined when the text is no duration, is zero, or is longer than 24 hours. */
export function parseDuration(text: string): number | undefined {
  if (!durationPattern.test(text)) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9]+)([hms])/g))
    seconds += Number(amount) * (unit === 'h' ? 3600 : unit === 'm' ? 60 : 1);
  const milliseconds = seconds * 1000;
  return milliseconds > 0 && milliseconds <= limits.timeoutMs ? milliseconds : undefined;
}
