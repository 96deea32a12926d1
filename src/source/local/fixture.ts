import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile, mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '../../kernel/clock.ts';
import { parseGitOid, type GitOid } from '../../kernel/git-oid.ts';
import type { ChangeId, PersonId } from '../../kernel/ids.ts';
import { silentLogger } from '../../kernel/logger.ts';
import type { Secret } from '../../kernel/secret.ts';
import { openIdentity } from '../../identity/identity.ts';
import { identityMigrations } from '../../identity/migrations.ts';
import type { Person } from '../../identity/person.ts';
import { openStore } from '../../store/store.ts';
import { sourceMigrations } from '../migrations.ts';
import { openLocalSource, type LocalSource, type LocalSourceOptions } from './local-source.ts';

// For tests: a whole source behind a real HTTP server on loopback, a few people, and real git as their client.

export type Result = { readonly code: number; readonly out: string };

export const passed = { testsPassed: async () => ({ ok: true as const }) };

export async function openParts(root: string, more: Partial<LocalSourceOptions> = {}) {
  const store = openStore(join(root, 'waybill.db'));
  await store.migrate([...identityMigrations, ...sourceMigrations]);
  const identity = openIdentity(store, systemClock);
  const source = await openLocalSource({
    store,
    identity,
    folder: join(root, 'repositories'),
    hookSocket: join(root, 'hook.sock'),
    node: process.execPath,
    clock: systemClock,
    logger: silentLogger,
    onProposed: async (change) => ({ message: `http://waybill.example/changes/${change.id}` }),
    onInitialPush: async () => ({ message: 'The first commit is in.' }),
    ...more,
  });
  return { store, identity, source };
}

/** ada is an admin; ria and rob are reviewers; dev and eve are developers. Addresses are `<id>@example.com`. */
export async function fixture(more: Partial<LocalSourceOptions> = {}) {
  const root = await mkdtemp(join(tmpdir(), 'waybill-source-'));
  const { store, identity, source } = await openParts(root, more);
  const tokens = new Map<string, Secret>();
  for (const [id, role] of [
    ['ada', 'admin'],
    ['ria', 'reviewer'],
    ['rob', 'reviewer'],
    ['dev', 'developer'],
    ['eve', 'developer'],
  ] as const) {
    const person = await identity.addPerson({ id, emails: [`${id}@example.com`], role });
    tokens.set(id, (await identity.mintToken(person, { label: 'test' })).token);
  }
  const current: { source: LocalSource } = { source };
  const server = createServer((request, response) => void current.source.handleHttp(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await source.createRepository({ name: 'shop' });

  const url = (person: string, password = tokens.get(person)?.reveal() ?? '') =>
    `http://${person}:${password}@127.0.0.1:${port}/git/shop.git`;
  const git = (folder: string, person: string, ...args: string[]) => runGit(root, folder, person, args);
  const must = async (folder: string, person: string, ...args: string[]) => {
    const result = await git(folder, person, ...args);
    if (result.code !== 0) throw new Error(`git ${args.join(' ')}: ${result.out}`);
    return result.out.trim();
  };

  return {
    root,
    port,
    store,
    identity,
    tokens,
    current,
    url,
    git,
    must,
    bare: join(root, 'repositories', 'shop.git'),
    /** A working copy in which `origin` is `shop` with this person's token. */
    async workingCopy(person: string, name = person): Promise<string> {
      const folder = join(root, 'work', name);
      await mkdir(folder, { recursive: true });
      await must(folder, person, 'clone', '--quiet', url(person), '.');
      return folder;
    },
    /** Writes the file and commits it under the person's name; `env` speaks of other hands. */
    async commit(folder: string, person: string, file: string, content: string, env: Record<string, string> = {}): Promise<GitOid> {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), content);
      await must(folder, person, 'add', '--all');
      const result = await runGit(
        root,
        folder,
        person,
        ['commit', '--quiet', '--allow-empty', '-m', env['MESSAGE'] ?? `Write ${file}`],
        env,
      );
      if (result.code !== 0) throw new Error(result.out);
      return parseGitOid(await must(folder, person, 'rev-parse', 'HEAD'));
    },
    /** Proposes HEAD; the answer has git's words, and the number of the change when there is one. */
    async propose(folder: string, person: string, ...options: string[]): Promise<Result & { id: ChangeId }> {
      const result = await git(folder, person, 'push', ...options.flatMap((each) => ['-o', each]), 'origin', 'HEAD:refs/for/main');
      return { ...result, id: Number(/Change (\d+):/.exec(result.out)?.[1] ?? 0) as ChangeId };
    },
    /** ada's first push: README.md on main. */
    async begin(): Promise<GitOid> {
      const folder = await this.workingCopy('ada');
      await must(folder, 'ada', 'checkout', '--quiet', '-B', 'main');
      const commit = await this.commit(folder, 'ada', 'README.md', 'shop\n');
      await must(folder, 'ada', 'push', '--quiet', 'origin', 'main');
      return commit;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await current.source[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

export const as = (id: string): Pick<Person, 'id'> => ({ id: id as PersonId });

function runGit(root: string, cwd: string, person: string, args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const environment = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: root,
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: person,
    GIT_AUTHOR_EMAIL: `${person}@example.com`,
    GIT_COMMITTER_NAME: person,
    GIT_COMMITTER_EMAIL: `${person}@example.com`,
    ...env,
  };
  return new Promise((resolve) => {
    execFile('git', [...args], { cwd, env: environment, maxBuffer: 1e8, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? (typeof error.code === 'number' ? error.code : 1) : 0, out: stdout + stderr });
    });
  });
}
