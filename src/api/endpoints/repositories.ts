import { z } from 'zod';
import { endpoint, name } from '../define-endpoint.ts';
import { repositoryView } from '../administration-views.ts';
import { scanView } from '../scan-views.ts';

export const repositoriesEndpoints = {
  listRepositories: endpoint('GET', '/repositories', 'person', 'Repositories', { reply: z.array(repositoryView) }),
  addRepository: endpoint('POST', '/repositories', 'admin', 'Adds an empty repository', {
    body: z.object({ name: z.string().max(63), protectedBranch: z.string().max(100).default('main') }),
    reply: repositoryView,
  }),
  removeRepository: endpoint('DELETE', '/repositories/:name', 'admin', 'Removes a repository; its folder is moved aside', { params: name }),

  showHistoryScan: endpoint(
    'GET',
    '/repositories/:name/history',
    'person',
    'Credentials in the whole history of a repository, as last looked for',
    {
      params: name,
      reply: scanView,
    },
  ),
  scanHistory: endpoint('POST', '/repositories/:name/history', 'admin', 'Looks for credentials in the whole history of a repository', {
    params: name,
    reply: scanView,
  }),
} as const;
