import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { isDiskError, messageOf, WaybillError } from '../kernel/error.ts';
import type { Logger } from '../kernel/logger.ts';

/** Every failure leaves as `{ error: { code, title, detail, fix } }`; only what is a defect of ours is logged as an error. */
export function errorHandler(logger: Logger): (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const known = asWaybillError(error);
    if (known.code === 'INTERNAL' || known.code === 'STORE_FAILED')
      logger.error({ path: request.url, stack: error.stack }, 'a request failed');
    if (known.code === 'UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer realm="Waybill"');
    void reply.status(known.status).send({ error: known });
  };
}

/** What is no error of ours is STORE_FAILED where the machine has no room, else INTERNAL, or INVALID_INPUT where Fastify found the request wanting. */
export function asWaybillError(error: unknown): WaybillError {
  if (error instanceof WaybillError) return error;
  if (isDiskError(error)) return new WaybillError('STORE_FAILED', messageOf(error), { cause: error });
  const status = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined;
  if (status === 413) return new WaybillError('LIMIT_EXCEEDED', 'the request is too large', { cause: error });
  if (status !== undefined && status >= 400 && status < 500) return new WaybillError('INVALID_INPUT', messageOf(error), { cause: error });
  return new WaybillError('INTERNAL', 'the request failed', { cause: error });
}
