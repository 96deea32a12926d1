import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { BodyOf, Endpoint, ParamsOf, QueryOf, ReplyOf } from '../api/endpoint.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Person } from '../identity/person.ts';
import { allow } from './access.ts';

export type Call<E> = { readonly params: ParamsOf<E>; readonly query: QueryOf<E>; readonly body: BodyOf<E>; readonly signal: AbortSignal };

export type Authenticate = (request: FastifyRequest) => Promise<Person | undefined>;

/**
 * Binds a handler to an endpoint: who may call is checked first, before a byte of the body is read; then the input is parsed; the handler sees
 * typed values only.
 */
export function serve<E extends Endpoint>(
  app: FastifyInstance,
  authenticate: Authenticate,
  endpoint: E,
  handler: (call: Call<E>, person: Person) => Promise<ReplyOf<E>>,
): void {
  const callers = new WeakMap<FastifyRequest, Person>();
  app.route({
    method: endpoint.method,
    url: endpoint.path,
    async onRequest(request) {
      callers.set(request, await allow(endpoint.access, await authenticate(request)));
    },
    async handler(request, reply) {
      const person = callers.get(request);
      if (!person) throw new WaybillError('INTERNAL', 'a request came past its check');
      const call = {
        params: parseInput(endpoint.params, request.params, 'path'),
        query: parseInput(endpoint.query, request.query, 'query'),
        body: parseInput(endpoint.body, request.body ?? {}, 'body'),
        signal: untilGone(reply.raw),
      } as Call<E>;
      return handler(call, person);
    },
  });
}

/** Aborts when the client leaves before it is answered. (Fastify's own signal also aborts when the body has been read.) */
function untilGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new WaybillError('CANCELLED', 'the client went away'));
  });
  return gone.signal;
}

/** @throws WaybillError INVALID_INPUT that names every field that is wrong */
export function parseInput<T>(schema: z.ZodType<T>, value: unknown, where: 'path' | 'query' | 'body'): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `${where}${issue.path.length ? '.' : ''}${issue.path.join('.')}: ${issue.message}`);
  throw new WaybillError('INVALID_INPUT', lines.join('; '));
}
