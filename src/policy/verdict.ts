/** `deny` is where every verdict starts; the reasons say what is missing and how to get it. */
export type Decision = 'allow' | 'warn' | 'deny';

export type Reason = {
  /** Which rule: `registry`, `digest`, `papers`, `review`, `tests`, `provenance`, … */
  readonly rule: string;
  /** Where: `spec.containers[0].image (container "web")`. */
  readonly at?: string;
  /** One sentence: what is wrong. */
  readonly message: string;
  /** One sentence: how to get it right. */
  readonly fix: string;
};

export type Verdict = { readonly decision: Decision; readonly reasons: readonly Reason[] };

/** The beginning of every verdict. */
export const undecided: Verdict = {
  decision: 'deny',
  reasons: [{ rule: 'default', message: 'Nothing was judged yet.', fix: 'This is a defect in Waybill; report it.' }],
};
