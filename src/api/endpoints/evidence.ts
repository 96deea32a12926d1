import { z } from 'zod';
import { endpoint } from '../define-endpoint.ts';

export const evidenceEndpoints = {
  keys: endpoint('GET', '/keys', 'public', 'Public keys of papers and ledger', {
    reply: z.object({ papers: z.unknown(), ledger: z.string() }),
  }),
  snapshot: endpoint('GET', '/snapshot', 'public', 'The signed snapshot that the gate decides from', { reply: z.unknown() }),
  policy: endpoint('GET', '/policy', 'public', 'The policies of all namespaces', { reply: z.unknown() }),
  checkpoint: endpoint('GET', '/ledger/checkpoint', 'public', 'The newest signed checkpoint of the ledger', {
    reply: z.object({ checkpoint: z.string() }),
  }),
} as const;
