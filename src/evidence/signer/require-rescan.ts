import { WaybillError } from '../../kernel/error.ts';
import type { RescanFacts } from '../facts.ts';
import { clockSkew } from './newest-look.ts';

const day = 86_400_000;

/**
 * What must hold before a later look at an image is signed. What it found does not matter: a bad look must be signed, or the good one before it would go on counting.
 * It must have looked, in advisories that were fresh, and its time must fit between the looks before it, the journal and this signer's clock.
 * @throws WaybillError VERDICT_REFUSED
 */
export function requireRescan(found: RescanFacts, run: number, now: Date): void {
  const refuse = (why: string) => new WaybillError('VERDICT_REFUSED', `the later look at the image of run ${run} ${why}`);
  if (found.run !== run || found.scan !== 'image') throw refuse('is of another run');
  const [began, ended, told] = [found.startedAt, found.finishedAt, found.toldAt].map((time) => Date.parse(time)) as [
    number,
    number,
    number,
  ];
  // An unreadable date is NaN, and NaN is in no order.
  if (!(began <= ended && ended <= told + clockSkew && told <= now.getTime() + clockSkew))
    throw refuse(`is said to be of ${found.startedAt} to ${found.finishedAt}, told at ${found.toldAt}, and it is ${now.toISOString()}`);
  for (const time of found.before) {
    const past = Date.parse(time);
    // A look of the future was dated by a clock that was wrong, and must not keep every later one away.
    if (past > now.getTime() + clockSkew) continue;
    if (!(past <= began)) throw refuse(`began at ${found.startedAt}, before the one of ${time}: the clock went backwards`);
  }
  for (const { ecosystem, advisories, updatedAt } of found.databases) {
    if (advisories === 0) throw refuse(`had no advisories for ${ecosystem}`);
    if (!(began - Date.parse(updatedAt) <= found.databaseDays * day)) throw refuse(`had advisories of ${updatedAt} for ${ecosystem}`);
  }
}
