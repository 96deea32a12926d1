import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { BodyOf, Endpoint, ParamsOf, QueryOf, ReplyOf } from '../api/endpoint.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Person } from '../identity/person.ts';
import { allow } from './access.ts';

export type Call<E> = { readonly params: ParamsOf<E>; readonly query: QueryOf<E>; readonly body: BodyOf<E>; readonly signal: AbortSignal };

export type Authenticate = (request: FastifyRequest) => Promise<Person | undefined>;

/** Binds a handler to an endpoint: who may call is checked first, then the input is parsed; the handler sees typed values only. */
export function serve<E extends Endpoint>(
  app: FastifyInstance,
  authenticate: Authenticate,
  endpoint: E,
  handler: (call: Call<E>, person: Person) => Promise<ReplyOf<E>>,
): void {
  app.route({
    method: endpoint.method,
    url: endpoint.path,
    async handler(request) {
      const person = await allow(endpoint.access, await authenticate(request));
      const call = {
        params: parse(endpoint.params, request.params, 'path'),
        query: parse(endpoint.query, request.query, 'query'),
        body: parse(endpoint.body, request.body ?? {}, 'body'),
        signal: request.signal,
      } as Call<E>;
      return handler(call, person);
    },
  });
}

function parse(schema: z.ZodType, value: unknown, where: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `${where}${issue.path.length ? '.' : ''}${issue.path.join('.')}: ${issue.message}`);
  throw new WaybillError('INVALID_INPUT', lines.join('; '));
}
