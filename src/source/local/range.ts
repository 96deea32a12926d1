import { WaybillError } from '../../kernel/error.ts';
import { parseGitOid, type GitOid } from '../../kernel/git-oid.ts';
import { normalizeEmail } from '../../identity/person.ts';
import type { Hand } from '../port.ts';
import { oneLine } from '../review-rules.ts';
import type { Git } from './git.ts';
import type { StoredRepository } from './repositories.ts';

export const maxCommits = 1000;

/** The commits that a push proposes: those reachable from the head and not from the protected branch. */
export type Range = {
  readonly base: GitOid;
  readonly head: GitOid;
  readonly tree: GitOid;
  readonly commits: ReadonlySet<GitOid>;
  /** Subject of the oldest commit, one printable line. */
  readonly title: string;
  readonly changeKey: string | undefined;
  /** Each author and committer once per role, name and address, without `person`. */
  readonly hands: readonly (Omit<Hand, 'person' | 'commit'> & { readonly commit: GitOid })[];
};

/** The commit that a branch is at. */
export async function tipOf(git: Git, folder: string, branch: string): Promise<GitOid | undefined> {
  const { exitCode, stdout } = await git.run(folder, ['rev-parse', '--verify', '--quiet', '--end-of-options', `refs/heads/${branch}`], {
    answers: [1],
  });
  return exitCode === 0 ? parseGitOid(stdout.trim()) : undefined;
}

/** @throws WaybillError FORBIDDEN with a sentence for the pusher; LIMIT_EXCEEDED */
export async function readRange(git: Git, repository: StoredRepository, head: GitOid): Promise<Range> {
  const { folder, protectedBranch } = repository;
  const refuse = (detail: string, fix: string) => new WaybillError('FORBIDDEN', detail, { fix });
  const tip = await tipOf(git, folder, protectedBranch);
  if (!tip)
    throw refuse(`${protectedBranch} does not exist yet`, `An administrator makes the first push: git push origin ${protectedBranch}`);
  if ((await git.run(folder, ['cat-file', '-t', head])).stdout.trim() !== 'commit')
    throw refuse('what was pushed is not a commit', 'Push a commit, not a tag or another object.');
  const base = await git.run(folder, ['merge-base', tip, head], { answers: [1] });
  if (base.exitCode === 1) throw refuse(`it has no commit in common with ${protectedBranch}`, `Begin from ${protectedBranch} as it is.`);
  const mergeBase = parseGitOid(base.stdout.trim());
  if (mergeBase === head) throw refuse(`it is in ${protectedBranch} already, there is no commit to review`, 'Commit something first.');
  const fields = ['%H', '%T', '%an', '%ae', '%cn', '%ce', '%s', '%(trailers:key=Change-Id,valueonly,separator=%x20)'];
  const { stdout } = await git.run(folder, [
    'log',
    '-z',
    '--topo-order',
    '--encoding=UTF-8',
    `--max-count=${maxCommits + 1}`,
    `--format=tformat:${fields.join('%n')}`,
    head,
    '--not',
    tip,
    '--',
  ]);
  const commits = stdout.split('\0').slice(0, -1).map(parseCommit);
  const [newest, oldest] = [commits[0], commits.at(-1)];
  if (!newest || !oldest || newest.oid !== head) throw new WaybillError('INTERNAL', 'git log answered with another range');
  if (commits.length > maxCommits) throw refuse(`it has more than ${maxCommits} commits`, 'Propose it in parts, or squash it.');
  return {
    base: mergeBase,
    head,
    tree: newest.tree,
    commits: new Set(commits.map((commit) => commit.oid)),
    title: oneLine(oldest.subject) || '(no title)',
    changeKey: newest.changeKey,
    hands: distinctHands(commits),
  };
}

type Commit = ReturnType<typeof parseCommit>;

function parseCommit(text: string) {
  const [oid = '', tree = '', an = '', ae = '', cn = '', ce = '', subject = '', trailers = ''] = text.split('\n');
  return {
    oid: parseGitOid(oid),
    tree: parseGitOid(tree),
    author: { name: an, email: ae },
    committer: { name: cn, email: ce },
    subject,
    changeKey: trailers.split(' ').findLast((each) => /^I[0-9a-f]{40}$/.test(each)),
  };
}

function distinctHands(commits: readonly Commit[]): Range['hands'] {
  const hands = new Map<string, Range['hands'][number]>();
  for (const commit of commits)
    for (const role of ['author', 'committer'] as const) {
      // Known addresses are shorter than the cut, so that no cut can make one of them.
      const hand = { role, name: oneLine(commit[role].name), email: normalizeEmail(commit[role].email.slice(0, 320)), commit: commit.oid };
      const key = JSON.stringify([role, hand.name, hand.email]);
      if (!hands.has(key)) hands.set(key, hand);
    }
  return [...hands.values()];
}
