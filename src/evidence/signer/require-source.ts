import { WaybillError } from '../../kernel/error.ts';
import type { SourceFacts } from '../facts.ts';
import type { ResourceDescriptor } from '../statement.ts';

type Descriptors = readonly (Omit<ResourceDescriptor, 'digest'> & { readonly digest?: Readonly<Record<string, string>> })[];
type CommitAndTree = Pick<SourceFacts, 'commit' | 'tree'>;

/** Commit and tree must stand in one descriptor: two halves from different places prove nothing. */
export function requireSource(descriptors: Descriptors, source: CommitAndTree): void {
  if (!isAboutSource(descriptors, source)) throw new WaybillError('PAPER_MALFORMED', 'it is about another commit or tree');
}

export function isAboutSource(descriptors: Descriptors, { commit, tree }: CommitAndTree): boolean {
  return descriptors.some(({ digest }) => digest?.gitCommit === commit && digest.gitTree === tree);
}
