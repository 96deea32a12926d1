import { statfs } from 'node:fs/promises';
import type { Kysely } from 'kysely';
import type { RegistryTables } from './tables.ts';
import { ProtocolError } from './protocol-error.ts';

/** Bytes; undefined is no limit. */
export type Quota = {
  /** Of the blobs of one repository. */
  readonly repositoryBytes?: number;
  /** By the name of a repository, in place of `repositoryBytes`. */
  readonly repositories?: Readonly<Record<string, number>>;
  /** Of all blobs, each counted once. */
  readonly totalBytes?: number;
  /** Uploads are refused before the disk has less than this. */
  readonly minimumFreeBytes?: number;
};

export type RepositoryUsage = {
  readonly repository: string;
  readonly images: number;
  readonly blobs: number;
  readonly bytes: number;
  readonly limit?: number;
};
export type Usage = {
  readonly repositories: readonly RepositoryUsage[];
  /** Bytes of all blobs, each counted once: what the disk has. */
  readonly bytes: number;
  /** Bytes that are there once and belong to several repositories. */
  readonly shared: number;
  readonly freeBytes: number;
};

export type Quotas = {
  /** @throws ProtocolError DENIED, or UNKNOWN (507) when the disk is nearly full */
  demandRoom(repository: string, more: number): Promise<void>;
  usage(): Promise<Usage>;
};

export function openQuotas(db: Kysely<RegistryTables>, folder: string, quota: Quota): Quotas {
  const limitOf = (repository: string) => quota.repositories?.[repository] ?? quota.repositoryBytes;

  async function bytesOf(repository: string): Promise<number> {
    const row = await db
      .selectFrom('registry_blob')
      .select((e) => e.fn.sum<number | null>('size').as('bytes'))
      .where('repository', '=', repository)
      .executeTakeFirst();
    return Number(row?.bytes ?? 0);
  }

  async function totalBytes(): Promise<number> {
    const once = db.selectFrom('registry_blob').select(['digest', 'size']).distinct().as('once');
    const row = await db
      .selectFrom(once)
      .select((e) => e.fn.sum<number | null>('size').as('bytes'))
      .executeTakeFirst();
    return Number(row?.bytes ?? 0);
  }

  async function freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  }

  return {
    async demandRoom(repository, more) {
      const limit = limitOf(repository);
      if (limit !== undefined && (await bytesOf(repository)) + more > limit)
        throw new ProtocolError(
          'DENIED',
          `The quota of the repository ${repository} is ${limit} bytes and would be exceeded; an administrator raises it, or collects what nothing needs: waybill registry gc`,
        );
      if (quota.totalBytes !== undefined && (await totalBytes()) + more > quota.totalBytes)
        throw new ProtocolError(
          'DENIED',
          `The quota of the registry is ${quota.totalBytes} bytes and would be exceeded; an administrator raises it, or collects what nothing needs: waybill registry gc`,
        );
      if (quota.minimumFreeBytes !== undefined && (await freeBytes()) - more < quota.minimumFreeBytes)
        throw new ProtocolError('UNKNOWN', 'The disk of the registry is nearly full; nothing was kept of this upload', { status: 507 });
    },
    async usage() {
      const rows = await db
        .selectFrom('registry_blob')
        .select((e) => ['repository', e.fn.countAll<number>().as('blobs'), e.fn.sum<number>('size').as('bytes')])
        .groupBy('repository')
        .orderBy('repository')
        .execute();
      const images = new Map(
        (
          await db
            .selectFrom('registry_tag')
            .select((e) => ['repository', e.fn.count<number>('digest').distinct().as('images')])
            .where('tag', 'not like', 'sha256-%')
            .groupBy('repository')
            .execute()
        ).map((row) => [row.repository, Number(row.images)]),
      );
      const repositories = rows.map((row): RepositoryUsage => {
        const limit = limitOf(row.repository);
        return {
          repository: row.repository,
          images: images.get(row.repository) ?? 0,
          blobs: Number(row.blobs),
          bytes: Number(row.bytes),
          ...(limit === undefined ? {} : { limit }),
        };
      });
      const bytes = await totalBytes();
      return { repositories, bytes, shared: repositories.reduce((sum, each) => sum + each.bytes, 0) - bytes, freeBytes: await freeBytes() };
    },
  };
}
