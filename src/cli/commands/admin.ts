import type { Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import type { CliContext } from '../context.ts';
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
    .action(async (name: string, options: { namespace: string; kubeconfig?: string; local?: boolean }) => {
      const kubeconfig = options.kubeconfig === undefined ? {} : { kubeconfig: await readNamed(context.cwd, options.kubeconfig) };
      const made = await (
        await context.client()
      ).call(endpoints.addEnvironment, {
        body: { name, kind: options.local ? 'local' : 'cluster', namespace: options.namespace, ...kubeconfig },
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
          ['NAME', 'KIND', 'NAMESPACE'],
          all.map((e) => [e.name, e.kind, e.namespace]),
        ),
      );
    });
  environment
    .command('remove <name>')
    .description('Remove an environment; what runs there stays')
    .action(async (name: string) => {
      const done = await (await context.client()).call(endpoints.removeEnvironment, { params: { name } });
      show(context, program, done, () => [`Environment ${name} was removed.`]);
    });
}
