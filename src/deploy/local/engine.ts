import { execa } from 'execa';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import { withDeadline } from '../../kernel/deadline.ts';

export type EngineOptions = {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  readonly input?: string | Buffer;
};

/** The container engine's command line, with an environment of its own. */
export type Engine = {
  readonly program: string;
  /** What the program prints. @throws WaybillError ENGINE_FAILED with its message, DEADLINE_EXCEEDED, CANCELLED, MISSING_PROGRAM */
  run(args: readonly string[], options?: EngineOptions): Promise<string>;
};

const defaultTimeoutMs = 60_000;
const maxOutput = 32 * 1024 * 1024;

/** @param env all that the program sees of the environment: PATH, HOME and the engine's own variables */
export function engine(program: string, env: Readonly<Record<string, string>>, folder: string): Engine {
  return {
    program,
    async run(args, options = {}) {
      using deadline = withDeadline(options.signal, options.timeoutMs ?? defaultTimeoutMs, `${program} ${args.slice(0, 2).join(' ')}`);
      const result = await execa(program, args, {
        env,
        extendEnv: false,
        cwd: folder,
        cancelSignal: deadline.signal,
        forceKillAfterDelay: 3000,
        maxBuffer: maxOutput,
        stripFinalNewline: true,
        reject: false,
        ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
      });
      if (deadline.signal.aborted) {
        const reason: unknown = deadline.signal.reason;
        throw isWaybillError(reason)
          ? reason
          : new WaybillError('CANCELLED', `${program} ${args[0] ?? ''} was cancelled`, { cause: reason });
      }
      if (!result.failed) return result.stdout;
      if (result.code === 'ENOENT') throw new WaybillError('MISSING_PROGRAM', `${program} is not installed`);
      const said = String(result.stderr).trim().slice(-2000);
      throw new WaybillError('ENGINE_FAILED', `${program} ${args.slice(0, 2).join(' ')}: ${said || messageOf(result.cause ?? result)}`);
    },
  };
}
