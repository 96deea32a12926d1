import { z } from 'zod';
import { endpoint, name } from '../define-endpoint.ts';
import { externalCheckView, externalRegistryView } from '../external-registry-views.ts';
import { registryFindingView } from '../registry-views.ts';

/** A file of the vendor's or a password. */
const credential = z
  .string()
  .max(64 * 1024)
  .exactOptional();

export const externalRegistriesEndpoints = {
  listExternalRegistries: endpoint('GET', '/external-registries', 'person', 'Registries that the company has, without their credentials', {
    reply: z.array(externalRegistryView),
  }),
  addExternalRegistry: endpoint(
    'POST',
    '/external-registries',
    'admin',
    'Adds a registry that the company has; its credentials are sealed',
    {
      body: z.object({
        name: z.string().max(63),
        server: z.string().max(300),
        kind: z.enum(['basic', 'acr', 'ecr', 'gar']),
        prefix: z.string().max(200).exactOptional(),
        naming: z.enum(['path', 'flat']).default('path'),
        uses: z
          .array(z.enum(['publish', 'import', 'mirror']))
          .max(3)
          .default([]),
        repositories: z.array(z.string().max(63)).max(1_000).default([]),
        tokenHost: z.string().max(300).exactOptional(),
        ca: z
          .string()
          .max(64 * 1024)
          .exactOptional(),
        createRepositories: z.boolean().default(false),
        /** There is no credential. */
        anonymous: z.boolean().default(false),
        mirror: z.object({ tagSeconds: z.number().int().exactOptional(), quotaBytes: z.number().int().exactOptional() }).exactOptional(),
        /** JSON text; its shape depends on the kind. */
        credential,
        pullCredential: credential,
      }),
      reply: externalRegistryView,
    },
  ),
  removeExternalRegistry: endpoint('DELETE', '/external-registries/:name', 'admin', 'Forgets a registry and its credentials', {
    params: name,
  }),
  renewExternalCredentials: endpoint(
    'POST',
    '/external-registries/:name/credentials',
    'admin',
    'Gives a registry other credentials; what is left out stays',
    {
      params: name,
      body: z.object({
        credential,
        pullCredential: credential,
      }),
      reply: externalRegistryView,
    },
  ),
  checkExternalRegistry: endpoint('POST', '/external-registries/:name/check', 'admin', 'Logs in and tries what the credential may do', {
    params: name,
    body: z.object({ repository: z.string().max(255).exactOptional() }),
    reply: externalCheckView,
  }),

  auditRegistries: endpoint('POST', '/audit/registries', 'admin', 'Who besides the pipeline can push, as far as it can be told', {
    body: z.object({ names: z.array(z.string().max(63)).max(100).default([]) }),
    reply: z.array(registryFindingView),
  }),
} as const;
