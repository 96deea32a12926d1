import type { Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { collect, readNamed, wholeNumber } from '../input.ts';
import { show } from '../output.ts';
import type { PullSecretOptions } from '../pull-secret.ts';

/** `waybill pull-secret create | renew`: the Secret with which a cluster pulls private images. */
export function pullSecretCommands(program: Command, context: CliContext): void {
  const pullSecret = program.command('pull-secret').description('Secrets with which a cluster pulls from private registries');
  pullSecret
    .command('renew <environment>')
    .description('Give an environment a new generation of the pull secret of its deploys now; the server does it by itself in time')
    .action(async (environment: string) => {
      const renewed = await (await context.client()).call(endpoints.renewPullSecret, { params: { name: environment } });
      show(context, program, { environment, ...renewed }, () => [
        `${environment} has a new pull secret, ${renewed.expiresAt === undefined ? 'which does not expire' : `which holds until ${renewed.expiresAt}`}.`,
      ]);
    });
  pullSecret
    .command('create <name>')
    .description('Make a Secret of type kubernetes.io/dockerconfigjson, as kubectl does, from options or from a Docker config.json')
    .option(
      '--server <host>',
      'registry, as in references to images (default: Docker Hub); with --from-file it can be given again',
      collect,
      [],
    )
    .option('--username <name>', 'name at the registry')
    .option('--password-stdin', 'read the password from standard input; it is never an argument', false)
    .option('--email <address>', 'address, which some registries ask for')
    .option('--from-file <file>', 'take the logins for --server from a Docker config.json, its credential helpers included')
    .option('--environment <name>', "a new key of Waybill's own registry, for what was released to this environment")
    .option('--repository <name>', 'with --environment: this repository of the registry instead; can be given again', collect, [])
    .option('--days <n>', 'with --environment: how long the key holds (default: as those of deploys)', wholeNumber)
    .option('-n, --namespace <name>', 'namespace of the Secret')
    .option('--dry-run', 'print the Secret instead of applying it; it holds the password', false)
    .option('-o, --output <format>', 'yaml or json, with --dry-run', 'yaml')
    .option('--kubeconfig <file>', 'the cluster to apply it to')
    .action(async (name: string, options: PullSecretOptions) => {
      const { makePullSecret, printed } = await import('../pull-secret.ts');
      const output = options.output ?? 'yaml';
      if (output !== 'yaml' && output !== 'json')
        throw new WaybillError('INVALID_INPUT', `${JSON.stringify(output.slice(0, 50))} is no format`, { fix: 'One of: yaml, json.' });
      if (!options.dryRun && options.kubeconfig === undefined)
        throw new WaybillError('INVALID_INPUT', 'there is no cluster to apply it to', {
          fix: 'Give --kubeconfig FILE, or print it: --dry-run -o yaml.',
        });
      const secret = await makePullSecret(context, name, options);
      if (options.dryRun) return context.out(printed(secret, output));
      const namespace = secret.metadata.namespace ?? 'default';
      await context.processes.applyPullSecret({
        kubeconfig: await readNamed(context.cwd, options.kubeconfig ?? ''),
        secret: { ...secret, metadata: { ...secret.metadata, namespace } },
        signal: context.signal,
      });
      return show(context, program, { name, namespace, applied: true }, () => [
        `The Secret ${name} is in the namespace ${namespace}. Pods name it under imagePullSecrets; deploys of Waybill wire in their own.`,
      ]);
    });
}
