import { isGap, type Coverage, type Skipped } from './coverage.ts';

const most = 1_000;

/** Collects what was not looked at: gaps first, then what a package answers for, so that no thousand of pictures crowds one of them out. */
export class SkipList {
  readonly #gaps: Skipped[] = [];
  readonly #covered: Skipped[] = [];
  readonly #meant: Skipped[] = [];
  #gapCount = 0;
  #count = 0;

  readonly add = (skipped: Skipped): void => {
    this.#count++;
    const gap = isGap(skipped);
    if (gap) this.#gapCount++;
    const list = gap ? this.#gaps : skipped.reason === 'covered' ? this.#covered : this.#meant;
    if (list.length < most) list.push(skipped);
  };

  get coverage(): Pick<Coverage, 'skipped' | 'skippedCount' | 'gapCount'> {
    return {
      skipped: [...this.#gaps, ...this.#covered, ...this.#meant].slice(0, most),
      skippedCount: this.#count,
      gapCount: this.#gapCount,
    };
  }
}
