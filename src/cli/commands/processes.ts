import { hostname } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { collect, portNumber } from '../input.ts';
import { show } from '../output.ts';

/** `waybill init | server | signer | admission serve | backup | restore`: what runs where the data is. */
export function processCommands(program: Command, context: CliContext): void {
  const data = (command: Command) => command.option('--data <folder>', 'the data directory', context.data);

  data(program.command('init'))
    .description('Make a data directory: keys, configuration, the first administrator')
    .option('--url <url>', 'how people and container engines reach the server (default: its loopback address)')
    .option('--port <n>', 'port on loopback', portNumber)
    .option('--admin <id>', 'the first administrator', 'admin')
    .option('--email <address>', "the administrator's address in commits; can be given again", collect, [])
    .action(async (options: { data: string; url?: string; port?: number; admin: string; email: string[] }) => {
      const made = await context.processes.init(options);
      show(context, program, { folder: made.folder, url: made.url, admin: options.admin, token: made.token.reveal() }, (paint) => [
        `${paint('green', '✔')} ${made.folder} is ready.`,
        '',
        `  administrator  ${options.admin}`,
        `  token          ${paint('bold', made.token.reveal())}   ${paint('yellow', '(shown this once; keep it)')}`,
        '',
        `Start the server:  waybill server --data ${options.data}`,
        `Then log in:       waybill login ${made.url}`,
      ]);
    });

  data(program.command('server'))
    .description('Run the server: git, API, registry, engine; the signer beside it')
    .action(async (options: { data: string }) => {
      await context.processes.server({
        ...options,
        signal: context.signal,
        onReady: (url) => context.note(`Waybill listens on ${url} (Ctrl-C ends it)`),
      });
    });

  data(program.command('signer'))
    .description('Run the signer alone, the only process that holds signing keys')
    .option('--until-stdin-ends', 'end with the process that started it', false)
    .action(async (options: { data: string; untilStdinEnds: boolean }) => {
      await context.processes.signer({ ...options, signal: context.signal, onReady: (socket) => context.note(`signer: ${socket}`) });
    });

  data(program.command('backup'))
    .description('Write the whole data directory into one file, while the server runs')
    .requiredOption('--to <file>', 'file to write (.tar); it will hold keys: keep it like them')
    .action(async (options: { data: string; to: string }) => {
      const done = await context.processes.backup({
        data: options.data,
        to: path.resolve(context.cwd, options.to),
        signal: context.signal,
      });
      show(context, program, done, () => [
        `${options.to}: ${done.files} files, ${(done.bytes / 1e6).toFixed(1)} MB. It holds keys; keep it like them.`,
      ]);
    });

  data(program.command('restore'))
    .description('Make a data directory from a backup')
    .requiredOption('--from <file>', 'file that `waybill backup` wrote')
    .action(async (options: { data: string; from: string }) => {
      const done = await context.processes.restore({
        data: options.data,
        from: path.resolve(context.cwd, options.from),
        signal: context.signal,
      });
      show(context, program, done, () => [`${options.data}: ${done.files} files. Start it: waybill server --data ${options.data}`]);
    });

  const admission = program.command('admission').description('The gate in the cluster');
  admission
    .command('serve', { isDefault: true })
    .description('Serve AdmissionReview over TLS from the signed snapshot')
    .requiredOption('--source <url>', 'the Waybill server, or a file that holds its snapshot')
    .requiredOption('--keys <file>', 'public keys, from `waybill keys`; pinned here, never fetched')
    .requiredOption('--policy <file>', 'the policies, from `waybill policy`; pinned here, never fetched')
    .option('--folder <folder>', 'certificates and the copy of the snapshot', path.join(context.data, 'admission'))
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on', portNumber, 8443)
    .option('--name <name>', 'name or address in the certificate; can be given again', collect, [])
    .action(
      async (options: { source: string; keys: string; policy: string; folder: string; host: string; port: number; name: string[] }) => {
        await context.processes.admission({
          source: options.source,
          keys: options.keys,
          policy: options.policy,
          folder: options.folder,
          host: options.host,
          port: options.port,
          names: options.name.length > 0 ? options.name : ['localhost', '127.0.0.1', hostname()],
          signal: context.signal,
          onReady: (url) => context.note(`the gate listens on ${url}`),
        });
      },
    );
}
