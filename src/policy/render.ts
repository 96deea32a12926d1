import { printable } from './printable.ts';
import type { Verdict } from './verdict.ts';

const shownReasons = 5;
const shownCharacters = 4_000;
const opening: Record<Verdict['decision'], string> = {
  allow: 'Waybill allows',
  warn: 'Waybill admits with a warning',
  deny: 'Waybill denies',
};

/**
 * A verdict as one readable paragraph: what, then for each reason where, what is wrong, which rule, and what gets it right.
 * `subject` is what was judged: `Deployment shop in namespace prod`.
 */
export function renderVerdict(verdict: Verdict, subject: string): string {
  const head = `${opening[verdict.decision]} ${subject}`;
  if (verdict.reasons.length === 0) return `${head}.`;
  const told = new Set<string>();
  const sentences = verdict.reasons.slice(0, shownReasons).map((reason) => {
    // The same advice for the second container would only make the paragraph longer.
    const fix = told.has(reason.fix) ? '' : ` ${reason.fix}`;
    told.add(reason.fix);
    return `${reason.at === undefined ? '' : `${reason.at}: `}${reason.message} [${reason.rule}]${fix}`;
  });
  const more = verdict.reasons.length - shownReasons;
  if (more > 0) sentences.push(`And ${more} more.`);
  return shorten(`${head}: ${sentences.join(' ')}`, shownCharacters);
}

/** A warning for one reason, short enough (256 characters) for the API server to pass it on whole. */
export function renderWarning(reason: Verdict['reasons'][number]): string {
  return shorten(`Waybill [${reason.rule}] ${reason.at === undefined ? '' : `${reason.at}: `}${reason.message}`, 256);
}

function shorten(text: string, length: number): string {
  return printable(text.replace(/\s+/g, ' '), length - 1);
}
