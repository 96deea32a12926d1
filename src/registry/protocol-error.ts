import type { ServerResponse } from 'node:http';

/** Codes of distribution-spec "Error Codes" that this registry answers with, and their usual status. */
const statusOf = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  TAG_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNKNOWN: 500,
} as const;
export type ProtocolCode = keyof typeof statusOf;

type Options = { status?: number; headers?: Readonly<Record<string, string>>; detail?: unknown; oauth?: string; cause?: unknown };

/** What a client of the wire protocol is told: never leaves this folder, becomes `{"errors":[…]}`. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly detail: unknown;
  /** The `error` of RFC 6749 section 5.2, at the token endpoint. */
  readonly oauth: string | undefined;

  constructor(code: ProtocolCode, message: string, options: Options = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? statusOf[code];
    this.headers = options.headers ?? {};
    this.detail = options.detail;
    this.oauth = options.oauth;
  }
}

export function sendError(response: ServerResponse, error: ProtocolError, head: boolean): void {
  const entry = { code: error.code, message: error.message, ...(error.detail === undefined ? {} : { detail: error.detail }) };
  const oauth = error.oauth === undefined ? {} : { error: error.oauth, error_description: error.message };
  const body = Buffer.from(`${JSON.stringify({ ...oauth, errors: [entry] })}\n`);
  response.writeHead(error.status, { ...error.headers, 'content-type': 'application/json', 'content-length': body.length });
  response.end(head ? undefined : body);
}

export function sendJson(response: ServerResponse, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(200, { 'content-type': 'application/json', ...headers, 'content-length': body.length });
  response.end(body);
}
