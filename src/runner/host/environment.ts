import { WaybillError } from '../../kernel/error.ts';

/** Environment inside: ours first, then the job's and the step's. */
export type Environment = Readonly<Record<string, string>>;

const name = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;
const maxBytes = 1024 * 1024;

/** @throws WaybillError INVALID_INPUT for a name that is no shell variable, or a value with a NUL; LIMIT_EXCEEDED beyond 1 MiB */
export function checkEnvironment(env: Environment): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(env)) {
    if (!name.test(key))
      throw new WaybillError('INVALID_INPUT', `${JSON.stringify(key.slice(0, 100))} is not a name for an environment variable`);
    if (value.includes('\0')) throw new WaybillError('INVALID_INPUT', `the environment variable ${key} contains a NUL character`);
    bytes += key.length + Buffer.byteLength(value);
  }
  if (bytes > maxBytes) throw new WaybillError('LIMIT_EXCEEDED', `the environment has ${bytes} bytes, ${maxBytes} are allowed`);
}

/** Where the scripts lie inside the sandbox. */
export const scriptFolder = '/run/waybill';

/**
 * Process 1 of a step's sandbox. It tells through descriptor 6 that the sandbox stands (whatever fails before is the
 * host's fault, whatever fails after is the step's), takes the environment, and runs the step's script, which is a file
 * of its own and never part of this one. The environment comes in a file and not as arguments of `env`, because
 * arguments can be read by every user of the host. In single quotes a POSIX shell gives no character a meaning.
 */
export function initScript(env: Environment): string {
  checkEnvironment(env);
  const exports = Object.entries(env).map(([key, value]) => `export ${key}='${value.replaceAll("'", String.raw`'\''`)}'\n`);
  return `echo started >&6\nexec 3<&- 4<&- 5<&- 6>&-\n${exports.join('')}/bin/sh -e ${scriptFolder}/step\nexit $?\n`;
}
