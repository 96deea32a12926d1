import { WaybillError } from '../../kernel/error.ts';
import type { ExternalRegistry } from './record.ts';

/** For what a credential is. */
export type Purpose = 'push' | 'pull';

export function withoutCredential(record: ExternalRegistry, purpose: Purpose): WaybillError {
  return purpose === 'pull'
    ? new WaybillError(
        'NOT_FOUND',
        `the external registry ${record.name} has no credential for pulling, and the one that pushes goes to no cluster`,
        {
          fix: `Give it one that can pull and nothing else: waybill registry credential ${record.name} --pull-credential FILE.`,
        },
      )
    : new WaybillError('NOT_FOUND', `the external registry ${record.name} has no credential`, { fix: 'Remove it and add it again.' });
}
