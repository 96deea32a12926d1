import path from 'node:path';
import type { Command } from 'commander';
import type { AdmitOptions, WebhookCommandOptions } from '../admit.ts';
import type { CliContext } from '../context.ts';
import { collect } from '../input.ts';

/** `waybill admit -f FILE`, `waybill admission webhook`. */
export function admissionCommands(program: Command, context: CliContext): void {
  program
    .command('admit')
    .description('The verdict of the gate on a file of manifests, before anything is applied')
    .requiredOption('-f, --file <file>', 'YAML or JSON, several documents; - for standard input')
    .option('-n, --namespace <name>', 'where objects go that name no namespace', 'default')
    .option('--snapshot <file>', 'a snapshot in a file instead of the server’s')
    .option('--keys <file>', 'public keys in a file instead of the server’s')
    .option('--policy <file>', 'policies in a file instead of the server’s')
    .action(async (options: AdmitOptions) => (await import('../admit.ts')).admit(program, context, options));

  program.commands
    .find((command) => command.name() === 'admission')
    ?.command('webhook')
    .description('Print the ValidatingWebhookConfiguration (and, for clusters from 1.30, the ValidatingAdmissionPolicy) to apply')
    .requiredOption('--url <url>', 'where the API server reaches the gate: https://HOST:PORT')
    .option('--folder <folder>', 'the gate’s folder with its certificates', path.join(context.data, 'admission'))
    .option('--name <name>', 'name or address in the certificate; can be given again', collect, [])
    .option('--cluster-version <version>', 'version of the cluster, as MAJOR.MINOR', '1.30')
    .option('--policy <file>', 'policies in a file instead of the server’s')
    .action(async (options: WebhookCommandOptions) => (await import('../admit.ts')).printWebhook(context, options));
}
