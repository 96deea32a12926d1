import type { UpstreamSignatures } from './upstream-signatures.ts';

/** One line for people. */
export function signaturesText({ outcome, found, verified, problems }: UpstreamSignatures): string {
  const [first, ...others] = problems;
  const why = first === undefined ? '' : `: ${first}${others.length > 0 ? ` (and ${others.length} more)` : ''}`;
  switch (outcome) {
    case 'none':
      return `no signature was found${why}`;
    case 'unchecked':
      return `${found} found, none checked${why}`;
    case 'bad':
      return `${found} found, none holds${why}`;
    case 'verified':
      return `by ${[...new Set(verified.map((each) => `${each.identity ?? `the key ${each.keyId.slice(0, 16)}…`} (${each.images})`))].join(', ')}`;
  }
}
