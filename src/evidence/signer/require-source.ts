import { WaybillError } from '../../kernel/error.ts';
import type { SourceFacts } from '../facts.ts';
import type { ResourceDescriptor } from '../statement.ts';

/** Commit and tree must stand in one descriptor: two halves from different places prove nothing. */
export function requireSource(
  descriptors: readonly (Omit<ResourceDescriptor, 'digest'> & { readonly digest?: Readonly<Record<string, string>> })[],
  source: SourceFacts,
): void {
  if (!descriptors.some(({ digest }) => digest?.gitCommit === source.commit && digest.gitTree === source.tree))
    throw new WaybillError('PAPER_MALFORMED', 'it is about another commit or tree');
}
