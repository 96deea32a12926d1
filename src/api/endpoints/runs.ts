import { z } from 'zod';
import { endpoint, id } from '../define-endpoint.ts';
import { runRowView, runView } from '../run-views.ts';
import { scanView } from '../scan-views.ts';
import { sinceReleaseView } from '../since-views.ts';

export const runsEndpoints = {
  listRuns: endpoint('GET', '/runs', 'person', 'Runs, newest first', {
    query: z.object({
      repository: z.string().optional(),
      change: z.coerce.number().int().optional(),
      limit: z.coerce.number().int().positive().max(1000).default(50),
    }),
    reply: z.array(runRowView),
  }),
  showRun: endpoint('GET', '/runs/:id', 'person', 'One run, with its stages, images, deploys and papers', { params: id, reply: runView }),
  cancelRun: endpoint('POST', '/runs/:id/cancel', 'reviewer', 'Cancels a run', {
    params: id,
    body: z.object({ reason: z.string().max(1000).default('asked for') }),
    reply: runView,
  }),
  showScans: endpoint('GET', '/runs/:id/scans', 'person', 'What the scans of a run looked at and found', {
    params: id,
    reply: z.array(scanView),
  }),
  showSince: endpoint('GET', '/runs/:id/since', 'person', 'What a run brings to each environment that the release there has not', {
    params: id,
    reply: z.array(sinceReleaseView),
  }),
  listLogs: endpoint('GET', '/runs/:id/logs', 'person', 'The names of the logs of a run', {
    params: id,
    reply: z.array(z.array(z.string())),
  }),
} as const;
