import type { ScanLimits } from './limits.ts';
import type { CompiledRule } from './rule-set.ts';

/** How often rules took longer than they may, in one scan: a rule that is slow on every file would otherwise cost its time for each of them. */
export class Patience {
  readonly #limits: ScanLimits['strikes'];
  readonly #strikes = new Map<CompiledRule, number>();
  readonly #given = new Set<CompiledRule>();
  #all = 0;

  constructor(limits: ScanLimits['strikes']) {
    this.#limits = limits;
  }

  /** Rules that are used no more. */
  get closed(): ReadonlySet<CompiledRule> {
    return this.#given;
  }

  /** Nothing more is looked at. */
  get isOver(): boolean {
    return this.#all >= this.#limits.all;
  }

  /** Something is not looked for any more: what follows is not clean, whatever is found in it. */
  get isTried(): boolean {
    return this.#given.size > 0 || this.isOver;
  }

  /** @returns whether the rule is used no more from now on */
  strike(rule: CompiledRule | undefined): boolean {
    this.#all++;
    if (!rule) return false;
    const strikes = (this.#strikes.get(rule) ?? 0) + 1;
    this.#strikes.set(rule, strikes);
    if (strikes < this.#limits.rule) return false;
    this.#given.add(rule);
    return true;
  }
}
