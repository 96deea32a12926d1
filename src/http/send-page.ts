import { randomBytes } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import type { Person } from '../identity/person.ts';
import type { Html } from './pages/html.ts';
import { page } from './pages/layout.ts';

export type Page = { readonly title: string; readonly body: Html; readonly script?: string };

/** Only what carries this answer's nonce runs or styles; nothing comes from elsewhere, nothing goes elsewhere. */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    `script-src 'nonce-${nonce}'`,
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

export function sendPage(reply: FastifyReply, { title, body, script }: Page, person?: Person): FastifyReply {
  const nonce = randomBytes(16).toString('base64');
  return reply
    .type('text/html; charset=utf-8')
    .header('content-security-policy', policy(nonce))
    .header('cache-control', 'no-store')
    .header('referrer-policy', 'no-referrer')
    .header('x-content-type-options', 'nosniff')
    .header('cross-origin-opener-policy', 'same-origin')
    .header('cross-origin-resource-policy', 'same-origin')
    .send(
      page({
        title,
        nonce,
        body,
        ...(person ? { person: { name: person.name, role: person.role } } : {}),
        ...(script === undefined ? {} : { script }),
      }),
    );
}
