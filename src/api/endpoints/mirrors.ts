import { z } from 'zod';
import { endpoint, name } from '../define-endpoint.ts';
import { mirrorContentsView, mirrorView } from '../mirror-views.ts';

export const mirrorsEndpoints = {
  listMirrors: endpoint('GET', '/mirrors', 'person', 'What is cached of other registries', { reply: z.array(mirrorView) }),
  showMirror: endpoint('GET', '/mirrors/:name', 'person', 'The images that the cache has of one registry', {
    params: name,
    reply: mirrorContentsView,
  }),
  setMirror: endpoint('POST', '/mirrors/:name', 'admin', 'Changes the quota of a mirror, or the time for which it trusts a tag', {
    params: name,
    body: z.object({ tagSeconds: z.number().int().exactOptional(), quotaBytes: z.number().int().exactOptional() }),
    reply: mirrorView,
  }),
  clearMirror: endpoint('POST', '/mirrors/:name/clear', 'admin', 'Throws away what is cached of one registry', {
    params: name,
    reply: z.object({ items: z.number(), bytes: z.number() }),
  }),
} as const;
