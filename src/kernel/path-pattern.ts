/** More wildcards than that could make a match slow, and nobody needs them. */
const mostWildcards = 6;

/** A pattern over names with `/`: `*` stands for anything within one part, `**` for anything. `docker.io/library/*`, `bases/**`. */
export function isPathPattern(text: string): boolean {
  const wildcards = text.match(/\*+/g) ?? [];
  return (
    /^[a-z0-9*](?:[a-z0-9._:/*-]{0,254})$/.test(text) && wildcards.length <= mostWildcards && wildcards.every((each) => each.length < 3)
  );
}

/** Whether the whole of `name` matches. A pattern that `isPathPattern` refuses matches nothing. */
export function matchesPath(pattern: string, name: string): boolean {
  if (!isPathPattern(pattern) || name.length > 1_000) return false;
  const source = pattern
    .split(/(\*+)/)
    .map((part) => (part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')))
    .join('');
  return new RegExp(`^${source}$`, 's').test(name);
}
