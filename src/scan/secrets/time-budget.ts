import { Script, createContext } from 'node:vm';

/** Runs a function that takes no longer than it may; JavaScript's regular expressions can be stopped in no other way inside one thread. */
const context = createContext({ work: undefined });
const script = new Script('work()');

/** Calls `work`; false: it was stopped in its middle after `milliseconds`. What it throws goes on. A call costs a fraction of a millisecond: give it much to do. */
export function withinTime(milliseconds: number, work: () => void): boolean {
  context['work'] = work;
  try {
    script.runInContext(context, { timeout: milliseconds, breakOnSigint: false });
    return true;
  } catch (error) {
    // Whose `Error` it is depends on where it was stopped.
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
    throw error;
  } finally {
    context['work'] = undefined;
  }
}
