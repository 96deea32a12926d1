/** `waybill:allow REASON` in a line: why what stands there may stand there. Without a reason it says nothing. */
const ours = /waybill:allow[ \t:,-]{1,4}([^\n]{3,300})/i;

/** The reason that a line gives, if it gives one. `gitleaks`: whether `gitleaks:allow`, which has none, counts too. */
export function inlineReason(line: string, gitleaks: boolean): string | undefined {
  const reason = ours
    .exec(line)?.[1]
    ?.replace(/(?:\*\/|-->|#\}|\*\))\s*$/, '')
    .replaceAll(/["'`,;\s]+$/g, '')
    .trim();
  if (reason !== undefined && /[\p{L}\p{N}]{3}/u.test(reason)) return reason.slice(0, 200);
  return gitleaks && /gitleaks:allow/.test(line) ? 'gitleaks:allow' : undefined;
}
