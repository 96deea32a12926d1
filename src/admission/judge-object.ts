import type { Digest } from '../kernel/digest.ts';
import { verdictOf, worst, type RuleReason } from '../policy/combine.ts';
import type { EvidencePolicy } from '../policy/evidence-policy.ts';
import type { ImageUse } from '../policy/image-use.ts';
import { judgeImage, type Knowledge } from '../policy/judge-image.ts';
import { undecided, type Decision, type Reason, type Verdict } from '../policy/verdict.ts';
import type { Images } from './images.ts';

/** Where the knowledge comes from; asked with the digests that are about to be judged, so that it can look for unknown ones. */
export type KnowledgeSource = { knowledge(digests: readonly Digest[], signal?: AbortSignal): Promise<Knowledge> };

const keptReasons = 100;

/** The digests that `uses` name, each once. */
export function digestsOf(uses: readonly ImageUse[]): readonly Digest[] {
  const digests = new Set<Digest>();
  for (const use of uses) if (use.reference?.digest !== undefined) digests.add(use.reference.digest);
  return [...digests];
}

/**
 * One verdict over what was read from an object. `allow` needs that everything was read: a problem counts by the rule
 * `object`, and a place that only looks like a container is a warning, because its pods are judged when they are made.
 */
export function judgeObject(images: Images, policy: EvidencePolicy, knowledge: Knowledge, now: Date): Verdict {
  let decision: Decision = 'allow';
  const reasons: Reason[] = [];
  const add = (verdict: Verdict): void => {
    decision = worst(decision, verdict.decision);
    for (const reason of verdict.reasons) {
      if (reasons.length >= keptReasons) return;
      // One age warning is enough for an object.
      if (reason.rule !== 'snapshot' || !reasons.some((kept) => kept.rule === 'snapshot')) reasons.push(reason);
    }
  };
  for (const { at, problem } of images.problems) {
    const reason: RuleReason = {
      rule: 'object',
      at: at === '' ? 'the object' : at,
      message: problem,
      fix: 'Write the object as Kubernetes defines it.',
    };
    add(verdictOf([reason], policy));
  }
  for (const use of images.uses) add(judgeImage(use, policy, knowledge, now));
  for (const { at } of images.unread) {
    const message = 'This looks like a container of a kind that the gate was not told of; its pods are judged when they are made.';
    add({
      decision: 'warn',
      reasons: [{ rule: 'object', at, message, fix: 'Add the path of its pod template to the gate’s custom workloads.' }],
    });
  }
  const looked = images.kind !== 'workload' || images.uses.length + images.problems.length > 0;
  return looked ? { decision, reasons } : undecided;
}
