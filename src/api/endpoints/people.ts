import { z } from 'zod';
import { endpoint, name } from '../define-endpoint.ts';
import { personView, tokenView } from '../people-views.ts';

export const peopleEndpoints = {
  whoAmI: endpoint('GET', '/me', 'person', 'Who the token belongs to', { reply: personView }),

  listPeople: endpoint('GET', '/people', 'person', 'People', { reply: z.array(personView) }),
  addPerson: endpoint('POST', '/people', 'admin', 'Adds a person', {
    body: z.object({
      id: z.string().max(63),
      name: z.string().max(200).optional(),
      emails: z.array(z.string().max(320)).max(20).default([]),
      role: z.enum(['developer', 'reviewer', 'admin']).default('developer'),
    }),
    reply: personView,
  }),
  changePerson: endpoint('POST', '/people/:name', 'admin', 'Gives a person another role, or one more address', {
    params: name,
    body: z.object({
      emails: z.array(z.string().max(320)).max(20).default([]),
      role: z.enum(['developer', 'reviewer', 'admin']).optional(),
    }),
    reply: personView,
  }),
  removePerson: endpoint('DELETE', '/people/:name', 'admin', 'Removes a person and revokes the tokens', { params: name }),

  listTokens: endpoint('GET', '/tokens', 'admin', 'Tokens, without their values', { reply: z.array(tokenView) }),
  createToken: endpoint('POST', '/tokens', 'admin', 'Makes a token; its value is in this answer and nowhere else', {
    body: z.object({
      person: z.string().max(63),
      label: z.string().max(200).default(''),
      expiresInDays: z.number().int().positive().max(3650).optional(),
    }),
    reply: z.object({ id: z.string(), token: z.string() }),
  }),
  revokeToken: endpoint('DELETE', '/tokens/:name', 'admin', 'Revokes a token', { params: name }),
} as const;
