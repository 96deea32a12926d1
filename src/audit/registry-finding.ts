/** What the audit says of one registry: who, or what, besides the pipeline can push there, and what cannot be told. */
export type RegistryFinding = {
  readonly registry: string;
  readonly server: string;
  /** `open`: somebody else can push. `unknown`: its API does not tell in this version, which is no all-clear. `closed`: nobody else, and why. */
  readonly outcome: 'closed' | 'open' | 'unknown';
  readonly facts: readonly RegistryFact[];
};

export type RegistryFact = {
  /** `bad` somebody else can push, `good` checked and closed, `untold` it cannot be known from here. */
  readonly kind: 'good' | 'bad' | 'untold';
  readonly text: string;
};

/** The worst fact decides; no fact at all is not known. Pure. */
export function outcomeOf(facts: readonly RegistryFact[]): RegistryFinding['outcome'] {
  if (facts.some((fact) => fact.kind === 'bad')) return 'open';
  return facts.length === 0 || facts.some((fact) => fact.kind === 'untold') ? 'unknown' : 'closed';
}
