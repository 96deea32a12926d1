import { connect } from 'node:net';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import { readLines } from './lines.ts';
import { answerSchemas, largestReply, largestRequest, replySchema, type SignerAnswers, type SignerRequest } from './protocol.ts';

export type SignerClient = {
  /** Asks the signer. Its refusals arrive as the WaybillError that it threw. */
  request<K extends SignerRequest['kind']>(request: Extract<SignerRequest, { kind: K }>, signal?: AbortSignal): Promise<SignerAnswers[K]>;
};

/**
 * A client of the signer at a Unix socket; a connection per request, so that a restarted signer is no matter.
 * @param deadline for a request, in milliseconds; 40 seconds by default, more than the signer's own
 */
export function connectSigner(socket: string, { deadline = 40_000 }: { deadline?: number } = {}): SignerClient {
  return {
    async request<K extends SignerRequest['kind']>(request: Extract<SignerRequest, { kind: K }>, signal?: AbortSignal) {
      using limit = withDeadline(signal, deadline, `the signer's answer to ${request.kind}`);
      const reply = parseReply(await exchange(socket, request, limit.signal));
      const answer = answerSchemas[request.kind].safeParse(reply);
      if (!answer.success)
        throw new WaybillError('INTERNAL', `the signer's answer to ${request.kind} has another shape`, { cause: answer.error });
      return answer.data as SignerAnswers[K];
    },
  };
}

async function exchange(path: string, request: SignerRequest, signal: AbortSignal): Promise<string> {
  const line = `${JSON.stringify(request)}\n`;
  if (line.length > largestRequest)
    throw new WaybillError('LIMIT_EXCEEDED', `a request to the signer is larger than ${largestRequest} bytes`);
  signal.throwIfAborted();
  const socket = connect(path);
  const stop = () => socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  try {
    socket.write(line);
    for await (const reply of readLines(socket, largestReply)) return reply;
    throw new WaybillError('SIGNER_UNREACHABLE', 'the signer closed the connection without an answer');
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (isWaybillError(error)) throw error;
    throw new WaybillError('SIGNER_UNREACHABLE', `${path}: ${messageOf(error)}`, { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}

function parseReply(line: string): unknown {
  let reply;
  try {
    reply = replySchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new WaybillError('INTERNAL', 'the answer of the signer cannot be read', { cause });
  }
  if (reply.ok) return reply.answer;
  throw new WaybillError(reply.error.code, reply.error.detail, { fix: reply.error.fix });
}
