import { messageOf, WaybillError, isWaybillError } from '../../kernel/error.ts';
import { isGitOid, type GitOid } from '../../kernel/git-oid.ts';
import type { PersonId, RepositoryName } from '../../kernel/ids.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { HookCall } from './hook-server.ts';
import { reviewedOnly } from './initial-push.ts';
import { flush, PktReader, pktLine } from './pkt-line.ts';
import type { Proposal } from './propose.ts';
import type { StoredRepository } from './repositories.ts';

/** One push that passed the door: who pushes where. */
export type Push = { readonly repository: StoredRepository; readonly person: PersonId };

export type Refusal = {
  readonly repository: RepositoryName;
  readonly person: PersonId;
  readonly ref: string;
  readonly reason: string;
};

export type Judge = {
  /** True while the protected branch does not exist: the only time at which it takes a push. */
  isEmpty(repository: StoredRepository): Promise<boolean>;
  pushInitial(push: Push, head: GitOid): Promise<{ readonly message: string }>;
  propose(push: Push, head: GitOid, options: readonly string[]): Promise<{ readonly proposal: Proposal; readonly message: string }>;
  refused(refusal: Refusal): void;
  readonly logger: Logger;
};

type Command = { readonly old: string; readonly new: string; readonly ref: string };

const maxCommandBytes = 4 * 1024 * 1024;
const maxCommands = 200;

/**
 * The whole decision about a push (githooks(5), proc-receive). `receive.procReceiveRefs` is `refs`, so that git updates no ref of any
 * push by itself: what this does not do does not happen, and a push that never reaches it fails. There is therefore no pre-receive.
 */
export async function procReceive(call: HookCall, push: Push, judge: Judge): Promise<0> {
  const input = new PktReader(call.input, maxCommandBytes);
  const [greeting = ''] = await input.list();
  const [version, features = ''] = greeting.split('\0');
  if (version?.trim() !== 'version=1') throw new WaybillError('UNSUPPORTED', 'this git speaks another version of proc-receive');
  const offered = features.trim().split(' ');
  const pushOptions = offered.includes('push-options');
  call.answer(`${pktLine(`version=1\0${pushOptions ? 'push-options' : ''}\n`)}${flush}`);
  const commands = (await input.list()).map(parseCommand);
  const options = pushOptions ? await input.list() : [];

  const refuse = (command: Command, error: unknown) => {
    const reason = reasonOf(error);
    if (!isWaybillError(error)) judge.logger.error({ ...push, repository: push.repository.name, error }, 'push failed');
    judge.refused({ repository: push.repository.name, person: push.person, ref: command.ref, reason });
    if (isWaybillError(error) && !reason.includes(error.fix)) call.say(`${error.fix}\n`);
    // A ref that would break the line gets no answer; git then reports it as failed.
    if (!/[\s\p{Cc}]/u.test(command.ref)) call.answer(pktLine(`ng ${command.ref} ${reason}`));
  };

  const verdicts = await judgeRefs(push, commands, judge);
  const atomic = offered.includes('atomic') && verdicts.some(({ error }) => error);
  for (const { command, error, kind } of verdicts) {
    if (error || atomic) {
      refuse(command, error ?? new WaybillError('FORBIDDEN', 'the push is atomic, and another ref of it was refused'));
      continue;
    }
    try {
      const head = command.new as GitOid;
      if (kind === 'initial') {
        const { message } = await judge.pushInitial(push, head);
        call.say(`${message}\n`);
        call.answer(pktLine(`ok ${command.ref}`));
      } else {
        const { proposal, message } = await judge.propose(push, head, options);
        call.say(tellProposal(proposal, message));
        call.answer(pktLine(`ok ${command.ref}`));
        call.answer(pktLine(`option refname ${proposal.ref}`));
      }
    } catch (error) {
      refuse(command, error);
    }
  }
  call.answer(flush);
  return 0;
}

type Verdict = { readonly command: Command; readonly error?: WaybillError; readonly kind?: 'initial' | 'propose' };

/** By names alone, each command for itself; an error is a sentence for the pusher. */
async function judgeRefs(push: Push, commands: readonly Command[], judge: Judge): Promise<Verdict[]> {
  if (commands.length > maxCommands) throw new WaybillError('LIMIT_EXCEEDED', `more than ${maxCommands} refs in one push`);
  const { protectedBranch } = push.repository;
  const head = `refs/heads/${protectedBranch}`;
  const review = `refs/for/${protectedBranch}`;
  const empty = await judge.isEmpty(push.repository);
  const times = (ref: string) => commands.filter((each) => each.ref === ref).length;
  const no = (detail: string, fix: string) => new WaybillError('FORBIDDEN', detail, { fix });
  const propose = `Propose it: git push origin HEAD:${review}`;
  return commands.map((command): Verdict => {
    const { ref } = command;
    if (/^0+$/.test(command.new))
      return { command, error: no('nothing can be deleted by a push', 'Leave it; changes are abandoned instead.') };
    if (times(ref) > 1) return { command, error: no('one ref twice in one push', propose) };
    if (ref === review) return { command, kind: 'propose' };
    if (ref === head && empty) {
      if (commands.length === 1) return { command, kind: 'initial' };
      return { command, error: no(`the first push is ${protectedBranch} alone`, `git push origin ${protectedBranch}`) };
    }
    if (ref === head) return { command, error: reviewedOnly(protectedBranch) };
    if (ref.startsWith(`${review}%`) || ref.startsWith(`${review}/`))
      return { command, error: no(`${review} takes no suffix`, `Use git push -o topic=NAME origin HEAD:${review}`) };
    if (ref.startsWith('refs/for/')) return { command, error: no(`only ${review} takes changes here`, propose) };
    if (ref.startsWith('refs/tags/')) return { command, error: no('tags cannot be pushed yet', propose) };
    return { command, error: no(`only ${review} can be pushed to`, propose) };
  });
}

/** The ref is the rest of the line, spaces and all. */
function parseCommand(line: string): Command {
  const [old = '', fresh = ''] = line.split(' ', 2);
  const ref = line.slice(old.length + fresh.length + 2);
  if (!isGitOid(old) || !isGitOid(fresh) || ref === '') throw new WaybillError('INVALID_INPUT', 'a malformed command');
  return { old, new: fresh, ref };
}

function tellProposal({ change, version, continued }: Proposal, message: string): string {
  const lines = [`Change ${change.id}: ${change.title}`];
  if (continued !== undefined)
    lines.push(
      `Version ${version.version} replaces version ${version.version - 1} (${continued}); earlier approvals are void.`,
      'For a change of its own instead: git push -o new …',
    );
  if (message !== '') lines.push(message);
  return `\n${lines.join('\n')}\n\n`;
}

function reasonOf(error: unknown): string {
  if (!isWaybillError(error)) return 'internal error, nothing was accepted; the log of the server says more';
  return messageOf(error)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, 1000);
}
