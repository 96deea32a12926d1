import type { z } from 'zod';

/** One HTTP endpoint as data: the server serves it, the client calls it, OpenAPI is written from it. */
export type Endpoint<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
  R extends z.ZodType = z.ZodType,
> = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Fastify's form: `/api/v1/changes/:id`. */
  readonly path: string;
  readonly summary: string;
  /** Who may call it: anybody, any person, or a person whose role allows the action. */
  readonly access: 'public' | 'person' | 'reviewer' | 'admin';
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly reply: R;
};

export type ParamsOf<E> = E extends Endpoint<infer P, z.ZodType, z.ZodType, z.ZodType> ? z.output<P> : never;
export type QueryOf<E> = E extends Endpoint<z.ZodType, infer Q, z.ZodType, z.ZodType> ? z.output<Q> : never;
export type BodyOf<E> = E extends Endpoint<z.ZodType, z.ZodType, infer B, z.ZodType> ? z.output<B> : never;
export type ReplyOf<E> = E extends Endpoint<z.ZodType, z.ZodType, z.ZodType, infer R> ? z.output<R> : never;
