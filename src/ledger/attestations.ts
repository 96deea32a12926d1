import type { Clock } from '../kernel/clock.ts';
import { digestOf, type Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Store } from '../store/store.ts';
import { appendIn, lockHead } from './append.ts';
import type { LedgerTables } from './tables.ts';

/** A recorded paper: `bundle` is the text as it was signed, `index` the ledger's entry that holds its digest. */
export type Attestation = {
  readonly index: number;
  readonly digest: Digest;
  readonly predicateType: string;
  readonly at: string;
  readonly bundle: string;
};

export type Attestations = {
  /** Keeps the bundle and appends its digest to the ledger, together or not at all. The same bundle again changes nothing. */
  recordAttestation(bundle: string, about: { predicateType: string; subjects: readonly string[] }): Promise<Attestation>;
  /** Papers about `subject` (`sha256:…`, `gitCommit:…`, `gitTree:…`), oldest first; at most 1,000. */
  findAttestations(query: { subject: string; predicateType?: string }): Promise<Attestation[]>;
  /** The newest papers of one type about `subject`, newest first, without their bundles. */
  newestAbout(query: { subject: string; predicateType: string; limit: number }): Promise<readonly Omit<Attestation, 'bundle'>[]>;
  /** @throws WaybillError NOT_FOUND, LEDGER_BROKEN */
  getAttestation(index: number): Promise<Attestation>;
  /** All papers of one type, oldest first, in pages from index `from` on; at most 1,000 a page. */
  attestationsOf(predicateType: string, from: number): Promise<Attestation[]>;
};

const largestBundle = 16 * 1024 * 1024;
const most = 1_000;

/** On an opened ledger: `openLedger` makes the head that appends need. */
export function attestations(store: Store, clock: Clock): Attestations {
  const db = store.as<LedgerTables>();
  return {
    async recordAttestation(bundle, { predicateType, subjects }) {
      if (bundle.length > largestBundle) throw new WaybillError('LIMIT_EXCEEDED', `a bundle is larger than ${largestBundle} characters`);
      if (subjects.length === 0) throw new WaybillError('INVALID_INPUT', 'a paper without subjects says nothing');
      const digest = digestOf(bundle);
      const unique = [...new Set(subjects)];
      return db.transaction().execute(async (trx) => {
        await lockHead(trx);
        const known = await trx.selectFrom('ledger_attestation').selectAll().where('digest', '=', digest).executeTakeFirst();
        if (known) return attestationOf(known);
        const { index, at } = await appendIn(trx, clock, {
          kind: 'attestation',
          subject: [digest, ...unique],
          body: { digest, predicateType, subjects: unique, bytes: Buffer.byteLength(bundle) },
        });
        await trx.insertInto('ledger_attestation').values({ idx: index, digest, predicate_type: predicateType, at, bundle }).execute();
        await trx
          .insertInto('ledger_attestation_subject')
          .values(unique.map((subject) => ({ subject, idx: index, predicate_type: predicateType })))
          .execute();
        return { index, digest, predicateType, at, bundle };
      });
    },
    async findAttestations({ subject, predicateType }) {
      let query = db
        .selectFrom('ledger_attestation_subject as s')
        .innerJoin('ledger_attestation as a', 'a.idx', 's.idx')
        .selectAll('a')
        .where('s.subject', '=', subject);
      if (predicateType !== undefined) query = query.where('s.predicate_type', '=', predicateType);
      return (await query.orderBy('a.idx').limit(most).execute()).map(attestationOf);
    },
    async newestAbout({ subject, predicateType, limit }) {
      const rows = await db
        .selectFrom('ledger_attestation_subject as s')
        .innerJoin('ledger_attestation as a', 'a.idx', 's.idx')
        .select(['a.idx as index', 'a.digest as digest', 'a.predicate_type as predicateType', 'a.at as at'])
        .where('s.subject', '=', subject)
        .where('s.predicate_type', '=', predicateType)
        .orderBy('s.idx', 'desc')
        .limit(Math.min(limit, most))
        .execute();
      return rows.map((row) => ({ ...row, digest: row.digest as Digest }));
    },
    async getAttestation(index) {
      const row = await db.selectFrom('ledger_attestation').selectAll().where('idx', '=', index).executeTakeFirst();
      if (!row) throw new WaybillError('NOT_FOUND', `entry ${index} of the ledger is no paper`);
      return attestationOf(row);
    },
    async attestationsOf(predicateType, from) {
      const query = db.selectFrom('ledger_attestation').selectAll().where('predicate_type', '=', predicateType).where('idx', '>=', from);
      return (await query.orderBy('idx').limit(most).execute()).map(attestationOf);
    },
  };
}

/** A stored bundle whose digest changed is no paper: it is reported, not returned. */
function attestationOf(row: LedgerTables['ledger_attestation']): Attestation {
  if (digestOf(row.bundle) !== row.digest)
    throw new WaybillError('LEDGER_BROKEN', `the stored bundle of entry ${row.idx} is not the one that was recorded (${row.digest})`);
  return { index: row.idx, digest: row.digest as Digest, predicateType: row.predicate_type, at: row.at, bundle: row.bundle };
}
