import { z } from 'zod';
import { errorTable, type ErrorCode } from '../kernel/error-table.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import type { Secret } from '../kernel/secret.ts';
import type { BodyOf, Endpoint, ParamsOf, QueryOf, ReplyOf } from './endpoint.ts';

export type Client = {
  readonly url: string;
  call<E extends Endpoint>(
    endpoint: E,
    input?: {
      params?: ParamsOf<E>;
      query?: Partial<QueryOf<E>>;
      body?: Partial<BodyOf<E>>;
      /** For what takes long; 60 seconds by default. */ timeoutMs?: number;
    },
  ): Promise<ReplyOf<E>>;
  /** The lines of a stream of server-sent events (`data:` fields), or of NDJSON. */
  lines(path: string, signal?: AbortSignal): AsyncIterable<string>;
};

const failure = z.object({ error: z.object({ code: z.string(), title: z.string(), detail: z.string(), fix: z.string() }) });

/** @param url of the server, `http://127.0.0.1:8080` */
export function connectApi(options: { url: string; token?: Secret; timeoutMs?: number }): Client {
  const headers = (): Record<string, string> => (options.token ? { authorization: `Bearer ${options.token.reveal()}` } : {});
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    if (!URL.canParse(path, options.url))
      throw new WaybillError('INVALID_INPUT', `${JSON.stringify(options.url.slice(0, 200))} is no address of a server`, {
        fix: 'Write it as https://HOST:PORT.',
      });
    const response = await fetch(new URL(path, options.url), init).catch((cause: unknown) => {
      const reason = cause instanceof Error && cause.cause ? messageOf(cause.cause) : messageOf(cause);
      throw new WaybillError('UNREACHABLE', `${options.url}: ${reason}`, { cause });
    });
    if (response.ok) return response;
    const parsed = failure.safeParse(await response.json().catch(() => undefined));
    if (!parsed.success) throw new WaybillError('INTERNAL', `${path} answered ${response.status}`);
    const { code, detail, fix } = parsed.data.error;
    throw new WaybillError(Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'INTERNAL', detail, { fix });
  };

  return {
    url: options.url,
    async call(endpoint, input = {}) {
      const params = (input.params ?? {}) as Record<string, unknown>;
      const path = endpoint.path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(String(params[key])));
      const query = Object.entries(input.query ?? {}).flatMap(([key, value]) =>
        value === undefined ? [] : [[key, String(value)] as [string, string]],
      );
      const response = await send(query.length ? `${path}?${new URLSearchParams(query)}` : path, {
        method: endpoint.method,
        headers: { ...headers(), ...(endpoint.method === 'POST' ? { 'content-type': 'application/json' } : {}) },
        ...(endpoint.method === 'POST' ? { body: JSON.stringify(input.body ?? {}) } : {}),
        signal: AbortSignal.timeout(input.timeoutMs ?? options.timeoutMs ?? 60_000),
      });
      return endpoint.reply.parse(await response.json()) as never;
    },
    async *lines(path, signal) {
      const response = await send(path, { headers: headers(), ...(signal ? { signal } : {}) });
      let rest = '';
      for await (const text of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines)
          if (line.startsWith('data: ')) yield line.slice(6);
          else if (line.startsWith('{')) yield line;
      }
    },
  };
}
