import { z } from 'zod';

/** A node of `waybill trace`: what it is, what it is called, what is known of it, and what it leads to. */
export type TraceNode = {
  kind: 'workload' | 'release' | 'image' | 'import' | 'paper' | 'run' | 'stage' | 'change' | 'review' | 'commit' | 'person' | 'ledger';
  name: string;
  detail: Record<string, string>;
  children: TraceNode[];
};
export const traceNode: z.ZodType<TraceNode> = z.lazy(() =>
  z.object({
    kind: z.enum(['workload', 'release', 'image', 'import', 'paper', 'run', 'stage', 'change', 'review', 'commit', 'person', 'ledger']),
    name: z.string(),
    detail: z.record(z.string(), z.string()),
    children: z.array(traceNode),
  }),
);
