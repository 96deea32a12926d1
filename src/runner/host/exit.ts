import { constants } from 'node:os';
import type { StepResult } from '../port.ts';

const hints: Readonly<Record<string, string>> = { SIGKILL: ' (out of memory?)', SIGXFSZ: ' (a file became larger than allowed)' };

/** What an exit code means, as shells report it: 126, 127, 128 + signal. */
export function resultOfExit(code: number | null, signal: NodeJS.Signals | null): StepResult {
  if (code === 0) return { status: 'passed', exitCode: 0 };
  return { status: 'failed', exitCode: code, reason: reasonOf(code, signal) };
}

function reasonOf(code: number | null, signal: NodeJS.Signals | null): string {
  const name = signal ?? signalName((code ?? 0) - 128);
  if (name) return `ended by signal ${name}${hints[name] ?? ''}`;
  if (code === 127) return 'exit code 127: a command was not found';
  if (code === 126) return 'exit code 126: a command could not be executed';
  return `exit code ${code}`;
}

function signalName(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
