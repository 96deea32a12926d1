import type { Digest } from '../../kernel/digest.ts';
import { messageOf } from '../../kernel/error.ts';
import type { KeyRing } from '../keys.ts';
import { subjectMatches, type Statement } from '../statement.ts';
import { vulnerabilitiesPredicate, vulnerabilitiesType, type Vulnerabilities } from '../statements/vulnerabilities.ts';
import { verifyBundle } from '../verify.ts';
import type { RecordedLook } from './facts-source.ts';

/** A recorded paper about vulnerabilities of an image, verified by the key of its time in the ledger; or why it counts for nothing. */
export async function readPaper(
  ring: KeyRing,
  image: Digest,
  { recordedAt, read }: RecordedLook,
): Promise<{ readonly subject: Statement['subject']; readonly found: Vulnerabilities } | { readonly why: string }> {
  try {
    const { statement } = verifyBundle(await read(), ring, new Date(recordedAt));
    if (statement.predicateType !== vulnerabilitiesType || !subjectMatches(statement, image)) return { why: 'it is about something else' };
    return { subject: statement.subject, found: vulnerabilitiesPredicate.parse(statement.predicate) };
  } catch (error) {
    return { why: messageOf(error) };
  }
}
