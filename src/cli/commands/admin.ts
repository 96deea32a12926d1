import { Option, type Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { serverScanCommands } from './server-scans.ts';
import { collect, readNamed, wholeNumber } from '../input.ts';
import { show } from '../output.ts';
import { plain } from '../terminal.ts';

/** `waybill user | token | repo | environment`: add, list, remove. */
export function adminCommands(program: Command, context: CliContext): void {
  const user = program.command('user').description('People who may propose, review and administer');
  user
    .command('add <id>')
    .description('Add a person')
    .option('--name <name>', 'full name')
    .option('--email <address>', 'address in commits; can be given again', collect, [])
    .option('--role <role>', 'developer, reviewer or admin', 'developer')
    .action(async (id: string, options: { name?: string; email: string[]; role: 'developer' }) => {
      const person = await (
        await context.client()
      ).call(endpoints.addPerson, {
        body: { id, emails: options.email, role: options.role, ...(options.name === undefined ? {} : { name: options.name }) },
      });
      show(context, program, person, () => [`${person.id} is now a ${person.role}. Make a token: waybill token create ${person.id}`]);
    });
  user
    .command('change <id>')
    .description('Give a person another role, or one more address')
    .option('--email <address>', 'address in commits; can be given again', collect, [])
    .option('--role <role>', 'developer, reviewer or admin')
    .action(async (id: string, options: { email: string[]; role?: 'developer' }) => {
      const body = { emails: options.email, ...(options.role === undefined ? {} : { role: options.role }) };
      const person = await (await context.client()).call(endpoints.changePerson, { params: { name: id }, body });
      show(context, program, person, () => [`${person.id} is a ${person.role}  ${person.emails.join(', ')}`]);
    });
  user
    .command('list')
    .description('List people')
    .action(async () => {
      const people = await (await context.client()).call(endpoints.listPeople);
      show(context, program, people, (paint, table) =>
        table(
          ['ID', 'NAME', 'ROLE', 'ADDRESSES'],
          people.map((p) => [p.id, plain(p.name), p.role, p.emails.join(', ')]),
        ),
      );
    });
  user
    .command('remove <id>')
    .description('Remove a person and revoke the tokens')
    .action(async (id: string) => {
      const done = await (await context.client()).call(endpoints.removePerson, { params: { name: id } });
      show(context, program, done, () => [`${id} was removed; the tokens are revoked.`]);
    });

  const token = program.command('token').description('Tokens of people, for git, the registry and this program');
  token
    .command('create <person>')
    .alias('add')
    .description('Make a token; it is shown once')
    .option('--label <text>', 'what it is for', '')
    .option('--expires-in-days <n>', 'when it ends', wholeNumber)
    .action(async (person: string, options: { label: string; expiresInDays?: number }) => {
      const made = await (await context.client()).call(endpoints.createToken, { body: { person, ...options } });
      show(context, program, made, () => [made.token]);
    });
  token
    .command('list')
    .description('List tokens, without their values')
    .action(async () => {
      const tokens = await (await context.client()).call(endpoints.listTokens);
      show(context, program, tokens, (paint, table) =>
        table(
          ['ID', 'PERSON', 'LABEL', 'CREATED', 'EXPIRES'],
          tokens.map((t) => [t.id, t.person, plain(t.label), t.createdAt, t.expiresAt ?? 'never']),
        ),
      );
    });
  token
    .command('revoke <id>')
    .alias('remove')
    .description('Revoke a token')
    .action(async (id: string) => {
      const done = await (await context.client()).call(endpoints.revokeToken, { params: { name: id } });
      show(context, program, done, () => [`Token ${id} is revoked.`]);
    });

  const repo = program.command('repo').description('Repositories');
  serverScanCommands(program, repo, context);
  repo
    .command('add <name>')
    .description('Add an empty repository; it starts by one push of an administrator')
    .option('--branch <name>', 'the protected branch', 'main')
    .action(async (name: string, options: { branch: string }) => {
      const made = await (await context.client()).call(endpoints.addRepository, { body: { name, protectedBranch: options.branch } });
      show(context, program, made, () => [
        `${made.name} is ready: ${made.cloneUrl}`,
        `Its first commit comes by one push of an administrator: git push ${made.cloneUrl} HEAD:refs/heads/${made.protectedBranch}`,
      ]);
    });
  repo
    .command('list')
    .description('List repositories')
    .action(async () => {
      const all = await (await context.client()).call(endpoints.listRepositories);
      show(context, program, all, (paint, table) =>
        table(
          ['NAME', 'PROTECTED', 'CLONE'],
          all.map((r) => [r.name, r.protectedBranch, r.cloneUrl]),
        ),
      );
    });
  repo
    .command('remove <name>')
    .description('Remove a repository; its folder is moved aside')
    .action(async (name: string) => {
      const done = await (await context.client()).call(endpoints.removeRepository, { params: { name } });
      show(context, program, done, () => [`${name} was removed.`]);
    });

  const environment = program.command('environment').alias('env').description('Where releases go: a namespace of a cluster, or this host');
  environment
    .command('add <name>')
    .description('Add an environment')
    .option('--namespace <name>', 'namespace in the cluster', 'default')
    .option('--kubeconfig <file>', 'access to the cluster; kept sealed, seen by the deploy operation alone')
    .option('--local', 'this host, through podman')
    .addOption(pullSecretOn())
    .option('--registry <name>', "deploy the copies at this external registry (waybill registry list) instead of Waybill's own")
    .action(async (name: string, options: { namespace: string; kubeconfig?: string; local?: boolean } & Wiring) => {
      const kubeconfig = options.kubeconfig === undefined ? {} : { kubeconfig: await readNamed(context.cwd, options.kubeconfig) };
      const made = await (
        await context.client()
      ).call(endpoints.addEnvironment, {
        body: { name, kind: options.local ? 'local' : 'cluster', namespace: options.namespace, ...kubeconfig, ...wiringOf(options) },
      });
      show(context, program, made, () => [`Environment ${made.name} (${made.kind}, namespace ${made.namespace}) is ready.`]);
    });
  environment
    .command('list')
    .description('List environments')
    .action(async () => {
      const all = await (await context.client()).call(endpoints.listEnvironments);
      show(context, program, all, (paint, table) =>
        table(
          ['NAME', 'KIND', 'NAMESPACE', 'REGISTRY', 'PULL SECRET ON', 'PULL SECRET'],
          all.map((e) => [
            e.name,
            e.kind,
            e.namespace,
            e.registry ?? '(own)',
            e.kind === 'local' ? '' : e.pullSecretOn,
            plain(pullSecretText(e.pullSecret)),
          ]),
        ),
      );
    });
  environment
    .command('change <name>')
    .description('Change from where and how its releases are pulled; holds from the next release on')
    .addOption(pullSecretOn())
    .option('--registry <name>', 'deploy the copies at this external registry')
    .option('--own-registry', "deploy from Waybill's own registry again")
    .action(async (name: string, options: Wiring & { ownRegistry?: boolean }) => {
      if (options.ownRegistry && options.registry !== undefined)
        throw new WaybillError('INVALID_INPUT', 'an environment is deployed from one registry', {
          fix: 'Give --registry or --own-registry.',
        });
      const body = { ...wiringOf(options), ...(options.ownRegistry ? { registry: null } : {}) };
      if (Object.keys(body).length === 0)
        throw new WaybillError('INVALID_INPUT', 'nothing is to be changed', {
          fix: 'Give --pull-secret-on, --registry or --own-registry.',
        });
      const changed = await (await context.client()).call(endpoints.changeEnvironment, { params: { name }, body });
      show(context, program, changed, () => [
        `From its next release on ${name} pulls from ${changed.registry ?? "Waybill's own registry"}, with the pull secret on ${changed.pullSecretOn}.`,
      ]);
    });
  environment
    .command('remove <name>')
    .description('Remove an environment; what runs there stays')
    .action(async (name: string) => {
      const done = await (await context.client()).call(endpoints.removeEnvironment, { params: { name } });
      show(context, program, done, () => [`Environment ${name} was removed.`]);
    });
}

type Wiring = { readonly pullSecretOn?: 'pods' | 'service-accounts'; readonly registry?: string };

const pullSecretOn = () =>
  new Option('--pull-secret-on <place>', 'what names the pull secret: every pod, or the ServiceAccounts that the pods run as').choices([
    'pods',
    'service-accounts',
  ]);

function wiringOf({ pullSecretOn, registry }: Wiring): Wiring {
  return { ...(pullSecretOn === undefined ? {} : { pullSecretOn }), ...(registry === undefined ? {} : { registry }) };
}

function pullSecretText(secret: { expiresAt?: string; writtenAt?: string; failingSince?: string; why?: string } | undefined): string {
  if (secret?.failingSince !== undefined) return `failing since ${secret.failingSince}: ${(secret.why ?? '').slice(0, 200)}`;
  if (secret?.writtenAt === undefined) return '';
  return secret.expiresAt === undefined ? 'does not expire' : `until ${secret.expiresAt}`;
}
