import { errorTable, type ErrorCode } from './error-table.ts';

/** The one error class. `detail` says what happened here; title and fix come from the table unless `fix` is given. */
export class WaybillError extends Error {
  override readonly name = 'WaybillError';
  readonly code: ErrorCode;
  readonly detail: string;
  readonly fix: string;

  constructor(code: ErrorCode, detail: string, options: { cause?: unknown; fix?: string } = {}) {
    super(`${errorTable[code].title}: ${detail}`, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.detail = detail;
    this.fix = options.fix ?? errorTable[code].fix;
  }

  get title(): string {
    return errorTable[this.code].title;
  }

  /** The HTTP status that this error maps to. */
  get status(): number {
    return errorTable[this.code].status;
  }

  toJSON(): { code: ErrorCode; title: string; detail: string; fix: string } {
    return { code: this.code, title: this.title, detail: this.detail, fix: this.fix };
  }
}

/** True when `error` is a WaybillError, with one of `codes` if any are given. */
export function isWaybillError(error: unknown, ...codes: readonly ErrorCode[]): error is WaybillError {
  return error instanceof WaybillError && (codes.length === 0 || codes.includes(error.code));
}

/** A file could not be written for want of room or of permission: no defect, and mended by whoever runs the machine. */
export function isDiskError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT', 'EROFS'].includes(String(error.code));
}

/** Text of anything thrown, for a log field or a `detail`; never a stack. */
export function messageOf(error: unknown): string {
  return error instanceof WaybillError ? error.detail : error instanceof Error ? error.message : String(error);
}
