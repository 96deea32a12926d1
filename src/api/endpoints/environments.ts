import { z } from 'zod';
import { endpoint, name } from '../define-endpoint.ts';
import { environmentView } from '../administration-views.ts';

export const environmentsEndpoints = {
  listEnvironments: endpoint('GET', '/environments', 'person', 'Environments', { reply: z.array(environmentView) }),
  addEnvironment: endpoint('POST', '/environments', 'admin', 'Adds an environment: a namespace of a cluster, or this host', {
    body: z.object({
      name: z.string().max(63),
      kind: z.enum(['cluster', 'local']),
      namespace: z.string().max(63).default('default'),
      kubeconfig: z
        .string()
        .max(256 * 1024)
        .optional(),
      pullSecretOn: z.enum(['pods', 'service-accounts']).exactOptional(),
      registry: z.string().max(63).exactOptional(),
    }),
    reply: environmentView,
  }),
  changeEnvironment: endpoint(
    'POST',
    '/environments/:name',
    'admin',
    'Changes from where and how its releases are pulled, from the next on',
    {
      params: name,
      body: z.object({
        pullSecretOn: z.enum(['pods', 'service-accounts']).exactOptional(),
        /** `null`: Waybill's own. */
        registry: z.string().max(63).nullable().exactOptional(),
      }),
      reply: environmentView,
    },
  ),
  mintPullSecret: endpoint(
    'POST',
    '/environments/:name/pull-secret',
    'admin',
    'Makes a key that pulls what an environment pulls; its value is in this answer and nowhere else',
    {
      params: name,
      body: z.object({
        repositories: z.array(z.string().max(255)).max(100).default([]),
        days: z.number().int().positive().max(400).exactOptional(),
      }),
      reply: z.object({
        server: z.string(),
        username: z.string(),
        password: z.string(),
        expiresAt: z.string(),
        repositories: z.array(z.string()),
      }),
    },
  ),
  renewPullSecret: endpoint('POST', '/environments/:name/pull-secret/renew', 'admin', 'Gives an environment a new pull secret now', {
    params: name,
    reply: z.object({ expiresAt: z.string().exactOptional() }),
  }),
  removeEnvironment: endpoint(
    'DELETE',
    '/environments/:name',
    'admin',
    'Removes an environment; what runs there stays, its pull secret is revoked',
    { params: name },
  ),
} as const;
