import type { Command } from 'commander';
import type { BodyOf, ReplyOf } from '../../api/endpoint.ts';
import { endpoints } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { byteSize, collect, readNamed, wholeNumber } from '../input.ts';
import { show } from '../output.ts';
import { plain } from '../terminal.ts';

type CredentialOptions = {
  username?: string;
  passwordStdin: boolean;
  credential?: string;
  pullCredential?: string;
};

type AddOptions = CredentialOptions & {
  server: string;
  kind: string;
  prefix?: string;
  naming: string;
  use: string[];
  repository: string[];
  tokenHost?: string;
  ca?: string;
  createRepositories: boolean;
  anonymous: boolean;
  mirrorQuota?: number;
  mirrorTagSeconds?: number;
};

/** `waybill registry add | list | remove | credential | check`: registries that the company has. */
export function externalRegistryCommands(registry: Command, program: Command, context: CliContext): void {
  registry
    .command('add <name>')
    .description('Add a registry that the company has; its credential is sealed, and no step, person or cluster sees it again')
    .requiredOption('--server <host>', 'as in references to images: docker.io, ghcr.io, NAME.azurecr.io, registry.example:5000')
    .option('--kind <kind>', 'basic, acr (Azure), ecr (Amazon) or gar (Google)', 'basic')
    .option('--prefix <path>', 'project, organisation or account before every name')
    .option('--naming <how>', 'path: REPOSITORY/IMAGE; flat: REPOSITORY-IMAGE', 'path')
    .option('--use <use>', 'publish, import or mirror; can be given again', collect, [])
    .option('--repository <name>', 'whose images may be published there, or *; can be given again', collect, [])
    .option('--username <name>', 'for kind basic, with --password-stdin')
    .option('--password-stdin', 'read the password from standard input; it is never an argument', false)
    .option('--credential <file>', 'the credential as JSON; - reads standard input')
    .option('--pull-credential <file>', 'as JSON: a second one, which can only pull, for clusters')
    .option('--token-host <host>', 'the other host that gives the tokens of this registry (a GitLab of your own)')
    .option('--ca <file>', "the registry's CA as PEM")
    .option('--create-repositories', 'make a missing repository at the first push (ecr)', false)
    .option('--anonymous', 'there is no credential: what is public is enough (import, mirror)', false)
    .option('--mirror-quota <size>', 'what the cache keeps of it: 500MB, 20GB (default: 20 GiB)', byteSize)
    .option('--mirror-tag-seconds <n>', 'for so long a tag is taken for what it was (default: 300)', wholeNumber)
    .action(async (name: string, options: AddOptions) => {
      const { server, kind, prefix, naming, use, repository, tokenHost, createRepositories, anonymous } = options;
      const { mirrorQuota: quotaBytes, mirrorTagSeconds: tagSeconds } = options;
      const mirror = { ...(quotaBytes === undefined ? {} : { quotaBytes }), ...(tagSeconds === undefined ? {} : { tagSeconds }) };
      const body = {
        name,
        server,
        kind: one(kind, ['basic', 'acr', 'ecr', 'gar'], 'kind'),
        naming: one(naming, ['path', 'flat'], 'naming'),
        uses: use.map((each) => one(each, ['publish', 'import', 'mirror'], 'use')),
        repositories: repository,
        createRepositories,
        anonymous,
        ...(anonymous ? {} : { credential: await credentialOf(context, options) }),
        ...(Object.keys(mirror).length === 0 ? {} : { mirror }),
        ...(prefix === undefined ? {} : { prefix }),
        ...(tokenHost === undefined ? {} : { tokenHost }),
        ...(options.ca === undefined ? {} : { ca: await readNamed(context.cwd, options.ca) }),
        ...(options.pullCredential === undefined ? {} : { pullCredential: await readNamed(context.cwd, options.pullCredential) }),
      } satisfies BodyOf<typeof endpoints.addExternalRegistry>;
      const added = await (await context.client()).call(endpoints.addExternalRegistry, { body });
      show(context, program, added, () => [
        `Added ${added.name} (${added.server}). Try it: waybill registry check ${added.name}`,
        ...(added.uses.includes('mirror') ? [`Pull through it: REGISTRY/mirror/${added.name}/REPOSITORY`] : []),
      ]);
    });

  registry
    .command('list')
    .description('Registries that were added, without their credentials')
    .action(async () => {
      const all = await (await context.client()).call(endpoints.listExternalRegistries);
      show(context, program, all, (_, table) =>
        table(
          ['NAME', 'SERVER', 'KIND', 'PREFIX', 'NAMING', 'USES', 'REPOSITORIES'],
          all.map((each) => [
            each.name,
            each.server,
            each.kind,
            each.prefix ?? '-',
            each.naming,
            each.uses.join(', ') || '-',
            each.repositories.join(', ') || '-',
          ]),
        ),
      );
    });

  registry
    .command('remove <name>')
    .description('Forget a registry and its credentials; what was published there stays')
    .action(async (name: string) => {
      await (await context.client()).call(endpoints.removeExternalRegistry, { params: { name } });
      show(context, program, { name, removed: true }, () => [`Removed ${name}. Take its credentials back at the registry, too.`]);
    });

  registry
    .command('credential <name>')
    .description('Give a registry other credentials; environments that pull from it get theirs within minutes')
    .option('--username <name>', 'for kind basic, with --password-stdin')
    .option('--password-stdin', 'read the password from standard input; it is never an argument', false)
    .option('--credential <file>', 'the credential as JSON; - reads standard input')
    .option('--pull-credential <file>', 'as JSON: the one for clusters')
    .action(async (name: string, options: CredentialOptions) => {
      const own = options.credential !== undefined || options.username !== undefined || options.passwordStdin;
      const body = {
        ...(own ? { credential: await credentialOf(context, options) } : {}),
        ...(options.pullCredential === undefined ? {} : { pullCredential: await readNamed(context.cwd, options.pullCredential) }),
      };
      const changed = await (await context.client()).call(endpoints.renewExternalCredentials, { params: { name }, body });
      show(context, program, changed, () => [`${name} has other credentials. Try them: waybill registry check ${name}`]);
    });

  registry
    .command('check <name>')
    .description('Log in and try what the credential may do; status 1 when it cannot do what it is for')
    .option('--repository <path>', 'where to try it (default: PREFIX/waybill-check)')
    .action(async (name: string, { repository }: { repository?: string }) => {
      const client = await context.client();
      const record = (await client.call(endpoints.listExternalRegistries)).find((each) => each.name === name);
      const check = await client.call(endpoints.checkExternalRegistry, {
        params: { name },
        body: repository === undefined ? {} : { repository },
      });
      const cannotPush = record?.uses.includes('publish') === true && typeof check.push === 'object';
      if (cannotPush || typeof check.pull === 'object' || check.pullCredential === 'pushes' || check.pullCredential === 'refused')
        context.exitWith(1);
      show(context, program, check, (paint) => [
        `${paint('green', 'logged in')} at ${check.server}${check.expiresAt === undefined ? '' : `, until ${check.expiresAt}`}`,
        `pull       ${told(check.pull)} (${check.repository})`,
        `push       ${told(check.push)}`,
        `referrers  ${check.referrers === undefined ? 'not told' : check.referrers ? 'yes' : 'no: papers hang at the tag sha256-DIGEST'}`,
        `clusters   ${pullText[check.pullCredential]}`,
      ]);
    });
}

type Allowed = ReplyOf<typeof endpoints.checkExternalRegistry>['push'];

function told(allowed: Allowed): string {
  if (allowed === 'allowed') return 'allowed';
  return allowed === 'missing' ? 'there is no such repository yet' : `refused: ${plain(allowed.refused)}`;
}

const pullText = {
  none: 'no credential of their own: nothing is deployed from here to a cluster',
  pulls: 'pull with a credential of their own',
  pushes: 'their credential can PUSH: give one that can only pull',
  refused: 'their credential is refused',
} as const;

async function credentialOf(context: CliContext, options: CredentialOptions): Promise<string> {
  if (options.credential !== undefined && (options.username !== undefined || options.passwordStdin))
    throw new WaybillError('INVALID_INPUT', '--credential and --username with --password-stdin exclude one another');
  if (options.credential === '-') return context.readStdin();
  if (options.credential !== undefined) return readNamed(context.cwd, options.credential);
  if (options.username === undefined || !options.passwordStdin)
    throw new WaybillError('INVALID_INPUT', 'a registry needs a credential', {
      fix: 'Give --username NAME --password-stdin < FILE, or --credential FILE (JSON; docs/guides/external-registries.md shows each kind).',
    });
  // The newline at its end is the shell's.
  const password = (await context.readStdin()).replace(/\r?\n$/, '');
  return JSON.stringify({ username: options.username, password });
}

function one<const T extends string>(value: string, of: readonly T[], what: string): T {
  const found = of.find((each) => each === value);
  if (found === undefined)
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(value.slice(0, 50))} is no ${what}`, { fix: `One of: ${of.join(', ')}.` });
  return found;
}
