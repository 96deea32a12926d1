import type { EvidencePolicy, PolicyMode, RuleName } from './evidence-policy.ts';
import type { Decision, Reason, Verdict } from './verdict.ts';

/** A reason whose rule is one that a policy can name. */
export type RuleReason = Reason & { readonly rule: RuleName; /** It is never worse than a warning. */ readonly warns?: true };

const severity: Record<Decision, number> = { allow: 0, warn: 1, deny: 2 };
const decisionOf: Record<PolicyMode, Decision> = { enforce: 'deny', warn: 'warn', audit: 'allow' };

export function worst(a: Decision, b: Decision): Decision {
  return severity[a] >= severity[b] ? a : b;
}

/** What one reason leads to: the mode of its rule, or of the policy. */
export function decide(reason: RuleReason, policy: EvidencePolicy): Decision {
  if (reason.rule === 'snapshot') return 'warn';
  const decision = decisionOf[policy.rules?.[reason.rule] ?? policy.mode];
  return reason.warns && decision === 'deny' ? 'warn' : decision;
}

/** One verdict over everything that was found: the worst decision. Only what was looked at and has no reason is allowed. */
export function verdictOf(reasons: readonly RuleReason[], policy: EvidencePolicy): Verdict {
  return { decision: reasons.reduce<Decision>((so, reason) => worst(so, decide(reason, policy)), 'allow'), reasons };
}
