import { WaybillError } from '../kernel/error.ts';
import type { ErrorCode } from '../kernel/error-table.ts';
import { textAt } from './object.ts';

const denials = [/admission webhook "[^"]*" denied the request/, /ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request/];

/** True for the words with which the API server reports that an admission webhook or policy said no. */
export function isDenial(message: string): boolean {
  return denials.some((pattern) => pattern.test(message));
}

/**
 * The error that a Status of the API server describes. Its message goes through unchanged: what a webhook writes
 * when it denies something is meant for the reader.
 */
export function failureOf(status: number, body: string): WaybillError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    parsed = undefined; // a proxy on the way answers with text or HTML
  }
  const message = textAt(parsed, 'message') ?? `HTTP ${status}: ${body.slice(0, 500)}`;
  return new WaybillError(codeOf(status, textAt(parsed, 'reason'), message), message);
}

function codeOf(status: number, reason: string | undefined, message: string): ErrorCode {
  if (isDenial(message)) return 'ADMISSION_DENIED';
  if (status === 404) return 'NOT_FOUND';
  if (status === 409 || status === 410) return 'CONFLICT';
  if (status === 422 || (status === 400 && reason !== 'Expired')) return 'INVALID_INPUT';
  // 401 and 403 are about the cluster key of Waybill, not about the person who asks.
  return 'CLUSTER_FAILED';
}
