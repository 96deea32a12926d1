import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { WaybillError } from '../kernel/error.ts';
import type { Logger } from '../kernel/logger.ts';

/** Every failure leaves as `{ error: { code, title, detail, fix } }`; only what is a defect of ours is logged as an error. */
export function errorHandler(logger: Logger): (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const known = asWaybillError(error);
    if (known.code === 'INTERNAL') logger.error({ path: request.url, stack: error.stack }, 'a request failed');
    if (known.code === 'UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer realm="Waybill"');
    void reply.status(known.status).send({ error: known });
  };
}

function asWaybillError(error: FastifyError | Error): WaybillError {
  if (error instanceof WaybillError) return error;
  const status = 'statusCode' in error ? error.statusCode : undefined;
  if (status === 413) return new WaybillError('LIMIT_EXCEEDED', 'the request is too large', { cause: error });
  if (status !== undefined && status >= 400 && status < 500) return new WaybillError('INVALID_INPUT', error.message, { cause: error });
  return new WaybillError('INTERNAL', 'the request failed', { cause: error });
}
