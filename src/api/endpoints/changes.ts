import { z } from 'zod';
import { comment, endpoint, id } from '../define-endpoint.ts';
import { changeView } from '../change-views.ts';

export const changesEndpoints = {
  listChanges: endpoint('GET', '/changes', 'person', 'Changes, newest first', {
    query: z.object({ repository: z.string().optional(), state: z.enum(['open', 'merged', 'abandoned']).optional() }),
    reply: z.array(changeView),
  }),
  showChange: endpoint('GET', '/changes/:id', 'person', 'One change', { params: id, reply: changeView }),
  approveChange: endpoint('POST', '/changes/:id/approve', 'reviewer', 'Approves the newest version, or the one named by `head`', {
    params: id,
    body: comment.extend({ head: z.string().optional() }),
    reply: changeView,
  }),
  rejectChange: endpoint('POST', '/changes/:id/reject', 'reviewer', 'Rejects the newest version', {
    params: id,
    body: comment,
    reply: changeView,
  }),
  abandonChange: endpoint('POST', '/changes/:id/abandon', 'person', 'Gives a change up', { params: id, reply: changeView }),
  mergeChange: endpoint('POST', '/changes/:id/merge', 'reviewer', 'Merges an approved change; the run of the merged commit starts', {
    params: id,
    reply: z.object({ change: changeView, run: z.number() }),
  }),
} as const;
