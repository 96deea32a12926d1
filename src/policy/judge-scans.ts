import type { BuiltEntry } from '../evidence/snapshot.ts';
import type { EvidencePolicy } from './evidence-policy.ts';
import { printable } from './printable.ts';

const ranks = { low: 0, medium: 1, high: 2, critical: 3, unknown: 4 } as const;
const day = 86_400_000;
/** How far the clocks of server and gate may be apart. */
const skew = 5 * 60_000;

/** `warns`: it is not refused yet. */
export type ScanReason = { readonly message: string; readonly fix: string; readonly warns?: true };

/** What the papers of scans leave to be asked for. */
export function judgeScans(entry: BuiltEntry, asked: EvidencePolicy['require']['scans'], now: Date): readonly ScanReason[] {
  if (asked === undefined) return [];
  const { scans } = entry;
  if (!scans && (asked.secrets || asked.sbom || asked.vulnerabilities !== false))
    return [{ message: 'was never scanned', fix: 'Merge a change: the run of the merge scans its source and its images.' }];
  const again = `Run \`waybill runs show ${entry.run}\` shows its scans; merge a change, so that a run scans it.`;
  const byItself =
    'The server looks again by itself while its advisories are fresh: `waybill advisories` shows how old they are, its log why it did not look.';
  const found: ScanReason[] = [];
  const say = (message: string, fix = again): void => void found.push({ message, fix });
  if (asked.secrets && !scans?.secrets) say('has no paper of a scan for credentials');
  if (asked.sbom && !scans?.sbom) say('has no list of its components');
  if (asked.vulnerabilities === false) return found;
  const looked = scans?.vulnerabilities;
  if (!looked) {
    say('has no paper about vulnerabilities of its source and of itself');
    return found;
  }
  if (asked.vulnerabilities === true) return found;
  const { below, graceDays, days, databaseDays } = asked.vulnerabilities;
  if (below !== undefined && looked.worst !== undefined && ranks[looked.worst] >= ranks[below]) {
    const until = graceDays === undefined ? Number.NaN : Date.parse(looked.since?.[below] ?? '') + graceDays * day;
    // An unreadable date is NaN, and nothing is before it.
    const warns = now.getTime() < until;
    const message = `has an open vulnerability that is ${looked.worst === 'unknown' ? 'of unknown severity' : looked.worst}, and only what is below ${below} is admitted`;
    found.push({
      message: warns
        ? `${message}; known only since it was built, so it is refused from ${new Date(until).toISOString().slice(0, 16)}Z on`
        : message,
      fix: `\`waybill runs show ${entry.run}\` lists it; take the fixed version, or have it waived in .waybill/waivers.yaml.`,
      ...(warns ? { warns: true } : {}),
    });
  }
  // An unreadable date is NaN, and NaN is not within any limit.
  if (days !== undefined && !(now.getTime() - Date.parse(looked.at) <= days * day))
    say(`was last looked up in the advisories at ${printable(looked.at)}, more than ${days} days ago`, byItself);
  if (days !== undefined && Date.parse(looked.at) > now.getTime() + skew)
    say(`is said to have been looked up in the advisories at ${printable(looked.at)}, which is yet to come`, byItself);
  if (
    databaseDays !== undefined &&
    looked.databaseAt !== undefined &&
    !(Date.parse(looked.at) - Date.parse(looked.databaseAt) <= databaseDays * day)
  )
    say(`was looked up in advisories of ${printable(looked.databaseAt)}, more than ${databaseDays} days old at the time`, byItself);
  return found;
}
