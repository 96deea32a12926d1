/** How the versions of one ecosystem are ordered. */
export type VersionOrder = {
  /** Which one, for people: `PEP 440`. */
  readonly scheme: string;
  /**
   * Reads a version once, to compare it with many. Undefined: it is no version in this order. What is returned says whether it is before (negative),
   * equal to (0) or after (positive) another; undefined when the other one is no version.
   */
  bind(version: string): ((other: string) => number | undefined) | undefined;
};

/** Longer than any real version; hostile ones cost no time. */
export const longestVersion = 512;

/** An order from what reads a version and what compares two that were read. */
export function versionOrder<Parsed>(
  scheme: string,
  parse: (text: string) => Parsed | undefined,
  compare: (a: Parsed, b: Parsed) => number,
): VersionOrder {
  const read = (text: string) => (text.length === 0 || text.length > longestVersion ? undefined : parse(text));
  return {
    scheme,
    bind(version) {
      const mine = read(version);
      if (mine === undefined) return undefined;
      return (other) => {
        const theirs = read(other);
        return theirs === undefined ? undefined : compare(mine, theirs);
      };
    },
  };
}

/** Negative, 0 or positive; undefined when one of them is no version. */
export function compareVersions(order: VersionOrder, a: string, b: string): number | undefined {
  return order.bind(a)?.(b);
}
