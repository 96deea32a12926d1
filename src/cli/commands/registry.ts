import type { Command } from 'commander';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { portNumber } from '../input.ts';
import { wantsJson } from '../output.ts';
import { externalRegistryCommands } from './external-registries.ts';
import { mirrorCommands } from './mirrors.ts';
import { registryCareCommands } from './registry-care.ts';

/** `waybill registry …`: the registry by itself, and what keeps it healthy. */
export function registryCommands(program: Command, context: CliContext): void {
  const registry = program.command('registry').description('The registry');
  registryCareCommands(registry, program, context);
  externalRegistryCommands(registry, program, context);
  mirrorCommands(registry, program, context);
  registry
    .command('serve')
    .description('Serve a registry alone, on loopback, without authentication: for a laptop, for tests, for benchmarks')
    .requiredOption('--data <folder>', 'a folder of its own; made when it is missing')
    .option('--port <n>', 'port; 0 takes any that is free', portNumber, 5000)
    .option('--host <address>', 'address on loopback', '127.0.0.1')
    .option('--open', 'nobody is asked who they are, tags move, everything can be deleted', false)
    .action(async (options: { data: string; port: number; host: string; open: boolean }) => {
      if (!options.open)
        throw new WaybillError('INVALID_INPUT', 'a registry alone has no people whom it could ask for a token', {
          fix: 'Say --open to serve it on loopback without authentication, or run `waybill server`, whose registry has it.',
        });
      await context.processes.registryServe({
        data: options.data,
        host: options.host,
        port: options.port,
        signal: context.signal,
        onReady: (url) => {
          if (wantsJson(program)) context.out(JSON.stringify({ url, registry: new URL(url).host, open: true }));
          else context.note(`An open registry listens on ${url} (Ctrl-C ends it). Nothing in it has papers.`);
        },
      });
    });
}
