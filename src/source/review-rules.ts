import type { PersonId } from '../kernel/ids.ts';
import type { Person } from '../identity/person.ts';
import { can } from '../identity/roles.ts';
import type { PeopleIndex } from './people-index.ts';
import type { Change, ChangeVersion, Hand, Review } from './port.ts';

/** Why something may not happen: one sentence, and one that says how it may. */
export type Obstacle = { readonly message: string; readonly fix: string };

export type Approval = { readonly reviewer: PersonId; readonly at: string };

/** The newest version; a change always has one. */
export function newestVersion(change: Pick<Change, 'versions'>): ChangeVersion {
  const newest = change.versions.at(-1);
  if (!newest) throw new RangeError('a change without versions');
  return newest;
}

/** True when a review speaks of exactly this version: its number, base, head and tree (a tree alone can be replayed). */
export function speaksOf(review: Omit<Review, 'current'>, version: ChangeVersion): boolean {
  return review.version === version.version && review.base === version.base && review.head === version.head && review.tree === version.tree;
}

/**
 * Why this person may not review this change: no such role, author or committer in the newest range, or pusher of any version.
 * The pusher is what counts most, being the one name here that cannot be forged.
 */
export function reviewerObstacle(change: Change, person: Person | undefined, people: PeopleIndex): Obstacle | undefined {
  if (!person) return { message: 'the reviewer is no known person', fix: 'An administrator adds the person.' };
  const somebodyElse = 'Ask somebody who had no hand in this change.';
  if (!can(person, 'approve') || !can(person, 'reject'))
    return { message: `${person.id} is no reviewer`, fix: 'Ask a reviewer, or an administrator for the role.' };
  const pushed = change.versions.find((version) => version.pusher === person.id);
  if (pushed) return { message: `${person.id} pushed version ${pushed.version} of change ${change.id}`, fix: somebodyElse };
  const hand = newestVersion(change).hands.find((each) => ownerOf(each, people) === person.id);
  if (hand) return { message: `${person.id} is ${hand.role} (${hand.email}) in change ${change.id}`, fix: somebodyElse };
  return undefined;
}

/**
 * Everything that stands between a change and its merge, and the approvals that count. Each reviewer's last word on the newest
 * version counts. Approvals are judged anew: who lost the role, or became a pusher since, counts no more; a reject stays a reject.
 */
export function judgeMerge(
  change: Change,
  people: PeopleIndex,
  requiredApprovals: number,
): { readonly obstacles: readonly Obstacle[]; readonly approvals: readonly Approval[] } {
  const version = newestVersion(change);
  const last = new Map<PersonId, Review>();
  for (const review of change.reviews) if (speaksOf(review, version)) last.set(review.reviewer, review);
  const reviews = [...last.values()];
  const obstacles: Obstacle[] = [];

  for (const review of reviews.filter((each) => each.verdict === 'reject'))
    obstacles.push({
      message: `${review.reviewer} rejected version ${version.version}${review.comment === '' ? '' : `: ${oneLine(review.comment)}`}`,
      fix: `Push a new version, or ask ${review.reviewer} to approve.`,
    });

  const approvals = reviews
    .filter((each) => each.verdict === 'approve' && !reviewerObstacle(change, people.byId(each.reviewer), people))
    .map((each) => ({ reviewer: each.reviewer, at: each.at }));
  const needed = Math.max(1, requiredApprovals);
  if (approvals.length < needed)
    obstacles.push({
      message: `version ${version.version} has ${approvals.length} of ${needed} approvals`,
      fix: 'Ask a reviewer who neither wrote nor pushed any of it.',
    });

  for (const hand of version.hands)
    if (hand.role === 'committer' && !people.byEmail(hand.email))
      obstacles.push({
        message: `the committer ${hand.name} <${hand.email}>${hand.commit ? ` of ${hand.commit}` : ''} is no known person`,
        fix: 'An administrator adds the person or the address, or the commit is made again by a known person.',
      });
  return { obstacles, approvals };
}

/** Removes what could break a line or a terminal; at most 200 characters. */
export function oneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}

function ownerOf(hand: Hand, people: PeopleIndex): PersonId | undefined {
  return people.byEmail(hand.email)?.id ?? hand.person;
}
