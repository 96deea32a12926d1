import { z } from 'zod';
import { endpoint } from '../define-endpoint.ts';
import { advisoryStateView } from '../scan-views.ts';
import { newlyVulnerableReply, whereView } from '../where-views.ts';

export const scanningEndpoints = {
  listAdvisories: endpoint('GET', '/advisories', 'person', 'The advisories that libraries and packages are looked up in', {
    reply: z.array(advisoryStateView),
  }),
  updateAdvisories: endpoint('POST', '/advisories/update', 'admin', 'Brings the advisories up to date from where the configuration says', {
    reply: z.array(advisoryStateView),
  }),
  where: endpoint('GET', '/where', 'person', 'Which images, releases, environments and pods have a package, or what an advisory is about', {
    query: z.object({
      what: z.string().min(1).max(500),
      pods: z.enum(['yes', 'no']).default('yes'),
      limit: z.coerce.number().int().min(0).max(1000).default(50),
    }),
    reply: whereView,
  }),
  newlyVulnerable: endpoint('GET', '/where/new', 'person', 'What became vulnerable in the last thirty days because of new advisories', {
    query: z.object({ pods: z.enum(['yes', 'no']).default('yes') }),
    reply: newlyVulnerableReply,
  }),
} as const;
