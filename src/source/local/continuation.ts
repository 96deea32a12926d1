import { WaybillError } from '../../kernel/error.ts';
import type { GitOid } from '../../kernel/git-oid.ts';
import type { StoredChange } from './changes.ts';

/** What the pusher said with `git push -o …`; at most one of the three. */
export type PushWish = { readonly change?: number; readonly topic?: string; readonly new?: true };

/** @throws WaybillError INVALID_INPUT on an option that is unknown, malformed, or contradicts another */
export function parsePushOptions(options: readonly string[]): PushWish {
  const fix = 'Use one of: -o change=NUMBER, -o topic=NAME, -o new.';
  if (options.length > 1) throw new WaybillError('INVALID_INPUT', 'more than one push option', { fix });
  const [option] = options;
  if (option === undefined) return {};
  if (option === 'new') return { new: true };
  const change = /^change=([1-9]\d{0,14})$/.exec(option)?.[1];
  if (change !== undefined) return { change: Number(change) };
  const topic = /^topic=([\p{L}\p{N}_][\p{L}\p{N}_./-]{0,99})$/u.exec(option)?.[1];
  if (topic !== undefined) return { topic };
  throw new WaybillError('INVALID_INPUT', `the push option ${JSON.stringify(option.slice(0, 80))} is not known`, { fix });
}

export type PushedRange = {
  readonly head: GitOid;
  /** Everything in the range, the head too. */
  readonly commits: ReadonlySet<GitOid>;
  readonly title: string;
  /** Gerrit's `Change-Id` trailer of the head. */
  readonly changeKey: string | undefined;
};

export type Continuation = { readonly change: StoredChange; readonly why: string } | undefined;

/**
 * Which open change a push continues; `undefined` opens a new one. Only the pusher's own open changes of this repository come
 * into question. The first rule that applies decides, and the answer names it to the pusher:
 *
 * 1. `-o change=N` continues change N or is refused; `-o new` opens a new change; `-o topic=NAME` continues the change that was
 *    opened with this topic, or opens it.
 * 2. A `Change-Id` trailer of the newest commit continues the change with the same trailer, or opens a new one, as in Gerrit.
 * 3. The pushed commits contain the head of one open change: commits were added to it, or main was merged into it.
 * 4. One open change has the same title (the subject of the oldest commit): its commits were amended or rebased.
 *
 * Where rule 3 or 4 finds several changes, nothing is guessed: the push is refused and names them.
 * @param open the pusher's open changes of the repository @throws WaybillError CONFLICT, FORBIDDEN with a sentence for the pusher
 */
export function findContinuation(push: PushedRange, wish: PushWish, open: readonly StoredChange[]): Continuation {
  if (wish.new) return undefined;
  const found = search(push, wish, open);
  if (found && found.change.versions.at(-1)?.head === push.head)
    throw new WaybillError('CONFLICT', `change ${found.change.id} is at this commit already`, { fix: 'Commit something first.' });
  return found;
}

function search(push: PushedRange, wish: PushWish, open: readonly StoredChange[]): Continuation {
  if (wish.change !== undefined) {
    const change = open.find((each) => each.id === wish.change);
    if (!change)
      throw new WaybillError('FORBIDDEN', `change ${wish.change} is not an open change of yours in this repository`, {
        fix: 'Only who opened a change replaces it, and only while it is open. Push without -o change to open another.',
      });
    return { change, why: 'as asked' };
  }
  if (wish.topic !== undefined) {
    const change = open.find((each) => each.topic === wish.topic);
    return change && { change, why: `same topic ${wish.topic}` };
  }
  if (push.changeKey !== undefined) {
    const change = open.find((each) => each.changeKey === push.changeKey);
    return change && { change, why: 'same Change-Id' };
  }
  const contained = open.filter((each) => each.versions.some(({ head }, index, all) => index === all.length - 1 && push.commits.has(head)));
  if (contained.length > 0) return only(contained, 'contains its commits');
  return only(
    open.filter((each) => each.title === push.title),
    'same title',
  );
}

function only(changes: readonly StoredChange[], why: string): Continuation {
  const [change, ...others] = changes;
  if (!change) return undefined;
  if (others.length > 0) {
    const ids = changes.map((each) => each.id).sort((a, b) => a - b);
    throw new WaybillError('CONFLICT', `this push could continue the changes ${ids.join(', ')} (${why})`, {
      fix: `Say which: git push -o change=${ids[0]} …, or -o new to open another.`,
    });
  }
  return { change, why };
}
