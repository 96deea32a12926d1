import { z } from 'zod';
import { endpoint } from '../define-endpoint.ts';
import { traceNode } from '../trace-view.ts';

export const imagesEndpoints = {
  listImages: endpoint('GET', '/images', 'person', 'Published images that have papers', {
    reply: z.array(
      z.object({
        digest: z.string(),
        repository: z.string(),
        /** Of what was built here. */
        commit: z.string().exactOptional(),
        run: z.number().exactOptional(),
        /** Of what was imported: where it comes from. */
        imported: z.object({ number: z.number(), reference: z.string() }).exactOptional(),
        /** The newest look at its vulnerabilities, and the worst that was open; missing: there was none, or nothing is open. */
        lookedAt: z.string().optional(),
        worst: z.string().optional(),
        validUntil: z.string(),
      }),
    ),
  }),
  showPapers: endpoint(
    'GET',
    '/images/:name/papers',
    'person',
    'The papers of a digest, as Sigstore bundles, with their place in the ledger',
    {
      params: z.object({ name: z.string().max(100) }),
      reply: z.object({
        /** The newest signed checkpoint; every proof is for its size. Empty when there is none yet. */
        checkpoint: z.string(),
        papers: z.array(
          z.object({
            predicateType: z.string(),
            bundle: z.unknown(),
            /** The ledger's entry as it is hashed, and the way from it to the checkpoint's root. */
            ledger: z.object({ index: z.number(), leaf: z.string(), proof: z.array(z.string()) }),
          }),
        ),
      }),
    },
  ),
  trace: endpoint('GET', '/trace', 'person', 'Walks from a commit, change, image or workload the whole way, both ways', {
    query: z.object({ subject: z.string().max(500), environment: z.string().optional() }),
    reply: traceNode,
  }),
  refuse: endpoint('GET', '/refusals', 'person', 'The newest refusals: pushes, approvals, verdicts', {
    reply: z.array(z.object({ at: z.string(), what: z.string(), detail: z.string() })),
  }),
} as const;
