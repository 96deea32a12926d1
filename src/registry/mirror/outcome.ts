import { ProtocolError } from '../protocol-error.ts';

/** What asking a server came to. */
export type Outcome<T> =
  | { readonly kind: 'found'; readonly value: T }
  | { readonly kind: 'missing' }
  /** It does not let us: the credential is wrong, or was taken back. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It answered, and what it gave is not what was asked for. */
  | { readonly kind: 'wrong'; readonly why: string }
  /** It does not answer, or says that it cannot now. */
  | { readonly kind: 'down'; readonly why: string; readonly retryMs?: number };

export type NotFound = Exclude<Outcome<never>, { readonly kind: 'found' }>;

export const found = <T>(value: T): Outcome<T> => ({ kind: 'found', value });

/** What the client is told; engines go on to the next place of their list when it is 404 or 5xx. */
export function toProtocolError(
  outcome: NotFound,
  what: { readonly server: string; readonly code: 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN' | 'NAME_UNKNOWN' },
): ProtocolError {
  const { server, code } = what;
  switch (outcome.kind) {
    case 'missing':
      return new ProtocolError(code, `${server} has nothing of this name`);
    case 'refused':
      return new ProtocolError(
        'DENIED',
        `${server} refuses the mirror: ${outcome.why}; an administrator checks its credential: waybill registry check`,
      );
    case 'wrong':
      return new ProtocolError('UNKNOWN', `What ${server} gave was not taken: ${outcome.why}`, { status: 502 });
    case 'down':
      return new ProtocolError('UNKNOWN', `${server} does not answer (${outcome.why}), and this is not in the cache`, {
        status: 503,
        headers: { 'retry-after': String(Math.max(1, Math.ceil((outcome.retryMs ?? 1_000) / 1000))) },
      });
    default:
      return outcome satisfies never;
  }
}
