import { z } from 'zod';
import { endpoint } from '../define-endpoint.ts';
import { collectedView, registryCheckView, registryUsageView } from '../registry-views.ts';

export const registryEndpoints = {
  collectRegistry: endpoint('POST', '/registry/collect', 'admin', 'Removes from the registry what nothing needs, or says what would go', {
    body: z.object({ dryRun: z.boolean().default(false) }),
    reply: collectedView,
  }),
  checkRegistry: endpoint('POST', '/registry/check', 'admin', 'Looks for damage in the registry', {
    body: z.object({ deep: z.boolean().default(false), quarantine: z.boolean().default(false) }),
    reply: registryCheckView,
  }),
  registryUsage: endpoint('GET', '/registry/usage', 'admin', 'What the registry holds, by repository', { reply: registryUsageView }),
} as const;
