import type { Call } from './client-session.ts';
import type { HttpResponse } from './transport.ts';

/** What the other files of the client need of a connection. */
export type Wire = { expect(call: Call, statuses: readonly number[], what: string): Promise<HttpResponse> };

/** RFC 8288 `rel="next"`; within the same registry only. */
export function nextLink(response: HttpResponse): string | undefined {
  const header = [response.headers.link ?? ''].flat().join(', ');
  const target = /<([^>]{1,4000})>\s*;\s*rel="?next"?/.exec(header)?.[1];
  if (target === undefined || !URL.canParse(target, response.url.href)) return undefined;
  const url = new URL(target, response.url);
  return url.host === response.url.host ? `${url.pathname}${url.search}` : undefined;
}
