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

export type ResourceLimits = { readonly maxProcesses: number; readonly maxFileBytes: number };

const blockBytes = 512; // of `ulimit -f` in a POSIX shell

/**
 * The first of a step's own processes. It sets the limits (dash calls that of processes -p, others -u), tells through descriptor 6 that
 * the sandbox stands (whatever fails before is the host's fault, whatever fails after is the step's), takes the environment,
 * and runs the step's script, which is a file of its own and never part of this one. The environment comes in a file and not as
 * arguments of `env`, because arguments can be read by every user of the host. In single quotes a POSIX shell gives no character a meaning.
 */
export function initScript(env: Environment, limits: ResourceLimits): string {
  checkEnvironment(env);
  const processes = Math.floor(limits.maxProcesses);
  return [
    'set -e',
    'ulimit -c 0',
    `ulimit -f ${Math.ceil(limits.maxFileBytes / blockBytes)}`,
    `ulimit -u ${processes} 2>/dev/null || ulimit -p ${processes}`,
    'echo started >&6',
    'exec 3<&- 4<&- 5<&- 6>&-',
    ...Object.entries(env).map(([key, value]) => `export ${key}='${value.replaceAll("'", String.raw`'\''`)}'`),
    'set +e',
    'trap : TERM', // where it is not process 1: the step cleans up, this waits for it
    'exec 7>&2 2>/dev/null', // else this shell says "Terminated" in the step's name
    `/bin/sh -e ${scriptFolder}/step 2>&7 7>&-`,
    'exit $?',
    '',
  ].join('\n');
}
