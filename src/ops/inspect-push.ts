import type { Clock } from '../kernel/clock.ts';
import { withDeadline } from '../kernel/deadline.ts';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import type { Logger } from '../kernel/logger.ts';
import type { InspectedPush } from '../source/local/local-source.ts';
import type { SecretFinding } from '../scan/finding.ts';
import { judgeScan } from '../scan/gate.ts';
import { gitText } from '../scan/git/objects.ts';
import { rootCommits } from '../scan/git/repository.ts';
import { gitPushSource } from '../scan/git/sources.ts';
import { derivedSalt } from '../scan/secrets/fingerprint.ts';
import { builtInRuleSet, chooseRules } from '../scan/secrets/repository-rules.ts';
import { scanSecrets } from '../scan/secrets/scan-secrets.ts';
import { atLeast } from '../scan/severity.ts';
import { parseWaivers } from '../scan/parse-waivers.ts';
import { noWaivers, waiversPath } from '../scan/waivers.ts';

const deadline = 5 * 60_000;
const largestFile = 4 * 1024 * 1024;
const shown = 5;

export type PushInspector = { readonly clock: Clock; readonly scanner: string; readonly logger: Logger };

/**
 * Refuses a push that adds a credential which looks alive, before anybody can fetch it. Rules are those of the protected branch, which are reviewed; waivers and `waybill:allow` are
 * those that are pushed, which reviewers will see. What is only likely, or could not be looked at, is left to the run of the change, which looks again.
 * @throws WaybillError FORBIDDEN naming file and line; whatever keeps the scan from being made
 */
export async function inspectPush(inspector: PushInspector, push: InspectedPush): Promise<void> {
  using limit = withDeadline(push.signal, deadline, 'looking for credentials in the push');
  const { signal } = limit;
  try {
    await inspect(inspector, push, signal);
  } catch (error) {
    if (isWaybillError(error, 'FORBIDDEN', 'INVALID_INPUT')) throw error;
    const cause = signal.aborted && isWaybillError(signal.reason) ? signal.reason : error;
    inspector.logger.error({ repository: push.repository, error: messageOf(cause) }, 'a push could not be looked at');
    throw new WaybillError('FORBIDDEN', `the push could not be searched for credentials: ${messageOf(cause)}`, {
      cause,
      fix: 'Nothing was accepted. Try again; a smaller push takes less time.',
    });
  }
}

async function inspect({ clock, scanner, logger }: PushInspector, push: InspectedPush, signal: AbortSignal): Promise<void> {
  const place = { folder: push.folder, env: push.environment };
  const read = (commit: string) => async (file: string) => {
    const listed = await gitText(place, ['ls-tree', '-z', '--full-tree', commit, '--', file], signal);
    const blob = /^100\d{3} blob ([0-9a-f]+)\t/.exec(listed.toString('utf8'))?.[1];
    return blob === undefined ? undefined : (await gitText(place, ['cat-file', 'blob', blob], signal, largestFile)).toString('utf8');
  };
  const rules = push.tip === undefined ? builtInRuleSet() : await rulesOf(read(push.tip), push, logger);
  const text = await read(push.head)(waiversPath);
  const waivers = text === undefined ? noWaivers : parseWaivers(text);
  const { added, before } = gitPushSource(place, push.head, push.tip);
  const report = await scanSecrets({
    source: added,
    before,
    rules,
    salt: waivers.salt ?? derivedSalt(await rootCommits(place, signal, push.head)),
    clock,
    scanner,
    signal,
  });
  const verdict = judgeScan({ report, fail: 'any', waivers, now: clock.now(), databaseDays: 7 });
  const alive = verdict.findings.filter(
    (finding): finding is typeof finding & SecretFinding => finding.kind === 'secret' && finding.fails && looksAlive(finding),
  );
  if (alive.length > 0) throw refusal(alive);
}

/** A broken file of rules on the branch must not keep the push away that mends it. */
async function rulesOf(read: (file: string) => Promise<string | undefined>, push: InspectedPush, logger: Logger) {
  try {
    return (await chooseRules(read)).set;
  } catch (error) {
    if (!isWaybillError(error, 'INVALID_INPUT', 'LIMIT_EXCEEDED')) throw error;
    logger.warn({ repository: push.repository, error: messageOf(error) }, 'the rules of the protected branch cannot be used');
    return builtInRuleSet();
  }
}

function looksAlive({ severity, validity }: SecretFinding): boolean {
  return atLeast(severity, 'high') && validity !== 'malformed' && validity !== 'expired';
}

function refusal(findings: readonly SecretFinding[]): WaybillError {
  const where = findings.slice(0, shown).map(({ title, places: [place] }) => `${title} in ${place?.path ?? '?'}:${place?.line ?? 1}`);
  const more = findings.length > shown ? ` and ${findings.length - shown} more` : '';
  const [first] = findings;
  return new WaybillError('FORBIDDEN', `the push adds a credential: ${where.join('; ')}${more}`, {
    fix: [
      `${first?.fix ?? ''}`,
      'Take it out of every commit of the push (git commit --amend, git rebase -i), and push again.',
      `If it opens nothing: waybill scan secrets --range BASE..HEAD --waive ${first?.rule}:${first?.fingerprint} --reason … --owner … --expires …, or write waybill:allow REASON into its line.`,
    ].join('\n'),
  });
}
