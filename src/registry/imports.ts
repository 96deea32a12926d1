import { z } from 'zod';
import type { Clock } from '../kernel/clock.ts';
import { isDigest, type Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Store } from '../store/store.ts';
import type { RegistryTables } from './tables.ts';

export const importStates = ['requested', 'approved', 'imported', 'rejected'] as const;
export type ImportState = (typeof importStates)[number];

/** A third-party image that somebody wants in the registry: one digest, and why. */
export type ImageImport = {
  readonly id: number;
  /** As it was asked for: `docker.io/library/postgres:17`. */
  readonly reference: string;
  /** What the reference named when it was asked for; this and nothing else is reviewed and copied. */
  readonly digest: Digest;
  /** Where it goes: `import/docker.io/library/postgres`. */
  readonly repository: string;
  readonly reason: string;
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly state: ImportState;
  readonly approvals: readonly { readonly reviewer: string; readonly at: string }[];
  readonly importedAt?: string;
  /** What is known about the upstream's signatures, as JSON of whoever looked for them. */
  readonly signatures?: string;
  /** Digest of the record of the scan of what was copied. */
  readonly scan?: Digest;
  /** What scanners came to, as JSON of whoever asked them: before the copy, or at it. */
  readonly look?: string;
  /** Why it was rejected, or what kept the last attempt to copy it. */
  readonly why?: string;
};

export type NewImport = Pick<ImageImport, 'reference' | 'digest' | 'repository' | 'reason' | 'requestedBy' | 'signatures'>;

/** Requests to import, their reviews, and what became of them. */
export type Imports = {
  request(asked: NewImport): Promise<ImageImport>;
  get(id: number): Promise<ImageImport | undefined>;
  /** Newest first. */
  list(filter?: { readonly state?: ImportState }): Promise<ImageImport[]>;
  /**
   * @returns the import, `approved` when there are enough
   * @throws WaybillError NOT_FOUND; CONFLICT when it is decided already; FORBIDDEN for one's own
   */
  approve(id: number, reviewer: string, needed: number): Promise<ImageImport>;
  /** @throws WaybillError NOT_FOUND, CONFLICT */
  reject(id: number, reviewer: string, why: string): Promise<ImageImport>;
  /** Keeps what a later look has found. */
  setSignatures(id: number, signatures: string): Promise<ImageImport>;
  /** Keeps what scanners found in what is copied. */
  setScan(id: number, record: Digest, look: string): Promise<ImageImport>;
  /** Keeps what was found before the copy, or, undefined, forgets it, so that somebody looks again. What is not `requested` any more stays as it is. */
  setLook(id: number, look: string | undefined): Promise<ImageImport>;
  imported(id: number): Promise<ImageImport>;
  /** It stays approved, and is tried again. */
  failed(id: number, why: string): Promise<void>;
};

const approvalsSchema = z.array(z.object({ reviewer: z.string(), at: z.string() }));

export function openImports(store: Store, clock: Clock): Imports {
  const db = store.as<RegistryTables>();
  const now = () => clock.now().toISOString();
  const get = async (id: number) => {
    const row = await db.selectFrom('registry_import').selectAll().where('id', '=', id).executeTakeFirst();
    return row && parseRow(row);
  };
  const must = async (id: number): Promise<ImageImport> => {
    const found = await get(id);
    if (!found) throw new WaybillError('NOT_FOUND', `there is no import ${id}`);
    return found;
  };

  /** Decisions are taken one after another, each on what the row says now. */
  async function decide(id: number, change: (present: ImageImport) => Partial<Row>): Promise<ImageImport> {
    return await db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom('registry_import').selectAll().where('id', '=', id).executeTakeFirst();
      if (!row) throw new WaybillError('NOT_FOUND', `there is no import ${id}`);
      const present = parseRow(row);
      if (present.state !== 'requested')
        throw new WaybillError('CONFLICT', `import ${id} is ${present.state} already`, {
          fix: 'waybill image imports shows what became of it.',
        });
      const next = { ...row, ...change(present) };
      await trx.updateTable('registry_import').set(next).where('id', '=', id).execute();
      return parseRow(next);
    });
  }

  return {
    get,
    async request(asked) {
      const { id } = await db
        .insertInto('registry_import')
        .values({
          reference: asked.reference,
          digest: asked.digest,
          repository: asked.repository,
          reason: asked.reason,
          requested_by: asked.requestedBy,
          requested_at: now(),
          state: 'requested',
          approvals: '[]',
          imported_at: null,
          why: null,
          signatures: asked.signatures ?? null,
          scan: null,
          look: null,
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      return await must(id);
    },
    async list(filter = {}) {
      let query = db.selectFrom('registry_import').selectAll().orderBy('id', 'desc').limit(1_000);
      if (filter.state !== undefined) query = query.where('state', '=', filter.state);
      return (await query.execute()).map(parseRow);
    },
    approve: (id, reviewer, needed) =>
      decide(id, (present) => {
        if (present.requestedBy === reviewer)
          throw new WaybillError('FORBIDDEN', `${reviewer} asked for import ${id}; somebody else decides about it`);
        const approvals = [...present.approvals.filter((each) => each.reviewer !== reviewer), { reviewer, at: now() }];
        return { approvals: JSON.stringify(approvals), ...(approvals.length >= needed ? { state: 'approved' } : {}) };
      }),
    reject: (id, reviewer, why) => decide(id, () => ({ state: 'rejected', why: `${reviewer}: ${why}` })),
    async setLook(id, look) {
      await db
        .updateTable('registry_import')
        .set({ look: look ?? null })
        .where('id', '=', id)
        .where('state', '=', 'requested')
        .execute();
      return await must(id);
    },
    async setScan(id, scan, look) {
      await db.updateTable('registry_import').set({ scan, look }).where('id', '=', id).execute();
      return await must(id);
    },
    async setSignatures(id, signatures) {
      await db.updateTable('registry_import').set({ signatures }).where('id', '=', id).execute();
      return await must(id);
    },
    async imported(id) {
      await db.updateTable('registry_import').set({ state: 'imported', imported_at: now(), why: null }).where('id', '=', id).execute();
      return await must(id);
    },
    async failed(id, why) {
      await db.updateTable('registry_import').set({ why }).where('id', '=', id).execute();
    },
  };
}

type Row = {
  reference: string;
  digest: string;
  repository: string;
  reason: string;
  requested_by: string;
  requested_at: string;
  state: string;
  approvals: string;
  imported_at: string | null;
  why: string | null;
  signatures: string | null;
  scan: string | null;
  look: string | null;
};

function parseRow(row: Row & { id: number }): ImageImport {
  const state = importStates.find((each) => each === row.state);
  if (state === undefined || !isDigest(row.digest)) throw new WaybillError('STORE_FAILED', `import ${row.id} is not as it was written`);
  return {
    id: row.id,
    reference: row.reference,
    digest: row.digest,
    repository: row.repository,
    reason: row.reason,
    requestedBy: row.requested_by,
    requestedAt: row.requested_at,
    state,
    approvals: approvalsSchema.parse(JSON.parse(row.approvals)),
    ...(row.imported_at === null ? {} : { importedAt: row.imported_at }),
    ...(row.why === null ? {} : { why: row.why }),
    ...(row.signatures === null ? {} : { signatures: row.signatures }),
    ...(row.scan !== null && isDigest(row.scan) ? { scan: row.scan } : {}),
    ...(row.look === null ? {} : { look: row.look }),
  };
}
