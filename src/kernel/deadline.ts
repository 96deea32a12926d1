import { WaybillError } from './error.ts';

/** A signal that aborts with `parent`, or after `milliseconds` with DEADLINE_EXCEEDED; disposing it clears the timer. */
export function withDeadline(parent: AbortSignal | undefined, milliseconds: number, what: string): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new WaybillError('DEADLINE_EXCEEDED', `${what} took longer than ${milliseconds} ms`)),
    milliseconds,
  );
  const signal = parent ? AbortSignal.any([parent, controller.signal]) : controller.signal;
  return { signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
