import type { Selectable } from 'kysely';
import type { Clock } from '../../kernel/clock.ts';
import { WaybillError } from '../../kernel/error.ts';
import { isName, type RepositoryName } from '../../kernel/ids.ts';
import type { Store } from '../../store/store.ts';
import type { Repository } from '../port.ts';
import type { SourceTables } from '../tables.ts';
import type { Git } from './git.ts';
import { KeyedLock } from '../../kernel/keyed-lock.ts';
import { createFolder, folderOf, moveAside } from './repository-folder.ts';

/** A repository as this folder's other files need it: with the number that its changes refer to, and its place. */
export type StoredRepository = Repository & { readonly number: number; readonly folder: string; readonly removed: boolean };

export type Repositories = {
  create(options: { readonly name: string; readonly protectedBranch?: string }): Promise<Repository>;
  list(): Promise<StoredRepository[]>;
  find(name: string): Promise<StoredRepository | undefined>;
  /** @throws WaybillError NOT_FOUND */
  get(name: string): Promise<StoredRepository>;
  /** Also a removed one, for its history. */
  byNumber(number: number): Promise<StoredRepository>;
  remove(name: string): Promise<void>;
};

const branch = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]|[./](?=[A-Za-z0-9_])){0,99}$/;

export function makeRepositories(store: Store, git: Git, root: string, clock: Clock): Repositories {
  const db = store.as<SourceTables>();
  const names = new KeyedLock<string>();

  const parse = (row: Selectable<SourceTables['source_repository']>): StoredRepository => ({
    name: row.name as RepositoryName,
    protectedBranch: row.protected_branch,
    createdAt: row.created_at,
    number: row.id,
    folder: folderOf(root, row.name as RepositoryName),
    removed: row.removed_at !== null,
  });

  const find = async (name: string) => {
    const query = db.selectFrom('source_repository').selectAll().where('name', '=', name).where('removed_at', 'is', null);
    const row = await query.executeTakeFirst();
    return row && parse(row);
  };

  const get = async (name: string) => {
    const found = await find(name);
    if (!found) throw new WaybillError('NOT_FOUND', `no repository ${JSON.stringify(name.slice(0, 80))}`);
    return found;
  };

  return {
    find,
    get,
    async list() {
      const rows = await db.selectFrom('source_repository').selectAll().where('removed_at', 'is', null).orderBy('name').execute();
      return rows.map(parse);
    },
    async byNumber(number) {
      return parse(await db.selectFrom('source_repository').selectAll().where('id', '=', number).executeTakeFirstOrThrow());
    },
    async create({ name, protectedBranch = 'main' }) {
      if (!isName(name) || name.endsWith('.git'))
        throw new WaybillError('INVALID_INPUT', `${JSON.stringify(name.slice(0, 80))} is not a repository's name`, {
          fix: 'Use at most 63 lower-case letters and digits, with single -, _ or . between them.',
        });
      if (!branch.test(protectedBranch) || protectedBranch.endsWith('.lock') || protectedBranch.includes('.lock/'))
        throw new WaybillError('INVALID_INPUT', `${JSON.stringify(protectedBranch.slice(0, 80))} is not a branch's name`);
      using _held = await names.take(name);
      if (await find(name)) throw new WaybillError('CONFLICT', `there is a repository ${name} already`);
      await createFolder(git, root, name as RepositoryName, protectedBranch);
      await db.transaction().execute(async (trx) => {
        const last = await trx
          .selectFrom('source_repository')
          .select((e) => e.fn.max('id').as('id'))
          .executeTakeFirst();
        await trx
          .insertInto('source_repository')
          .values({
            id: (last?.id ?? 0) + 1,
            name,
            protected_branch: protectedBranch,
            created_at: clock.now().toISOString(),
            removed_at: null,
          })
          .execute();
      });
      return publicRepository(await get(name));
    },
    async remove(name) {
      using _held = await names.take(name);
      const { number } = await get(name);
      await db.updateTable('source_repository').set({ removed_at: clock.now().toISOString() }).where('id', '=', number).execute();
      await moveAside(root, name as RepositoryName);
    },
  };
}

export function publicRepository({ name, protectedBranch, createdAt }: Repository): Repository {
  return { name, protectedBranch, createdAt };
}
