import { z } from 'zod';
import type { ErrorCode } from '../kernel/error-table.ts';
import { WaybillError } from '../kernel/error.ts';
import { readAnswer, type HttpResponse } from './transport.ts';

const errorsSchema = z.object({ errors: z.array(z.object({ code: z.string(), message: z.string().optional() })).max(50) });

const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_INPUT',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'LIMIT_EXCEEDED',
};

/** What a registry's refusal says, in one line; never more than a few hundred characters, and printable. */
export async function refusalOf(response: HttpResponse, what: string): Promise<WaybillError> {
  let text = '';
  try {
    text = (await readAnswer(response, 64 * 1024)).toString('utf8');
  } catch (cause) {
    return new WaybillError('REGISTRY_FAILED', `${what}: ${response.url.host} answered ${response.status}, and the answer broke off`, {
      cause,
    });
  }
  const said = describe(text)
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 500);
  return new WaybillError(
    codeOfStatus[response.status] ?? 'REGISTRY_FAILED',
    `${what}: ${response.url.host} answered ${response.status}${said === '' ? '' : ` (${said})`}`,
    response.status === 401 ? { fix: 'Check the credentials for this registry.' } : {},
  );
}

function describe(text: string): string {
  try {
    return errorsSchema
      .parse(JSON.parse(text))
      .errors.map(({ code, message }) => (message ? `${code}: ${message}` : code))
      .join('; ');
  } catch {
    return text.trim();
  }
}
