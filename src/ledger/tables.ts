/** The tables of this folder. Hashes are 64 hex digits; `at` and the like are ISO 8601 in UTC. */
export type LedgerTables = {
  /** One row: how many entries there are. Its update is the first statement of every append, which serialises appends. */
  ledger_head: { id: number; origin: string; size: number };
  /** `leaf` is the canonical JSON whose bytes are hashed; the other columns are for queries alone. */
  ledger_entry: { idx: number; kind: string; at: string; leaf: string };
  ledger_subject: { subject: string; idx: number; kind: string };
  /** Hashes of complete subtrees: the 2^level leaves from idx * 2^level on. */
  ledger_node: { level: number; idx: number; hash: string };
  ledger_checkpoint: { id: number; size: number; root: string; at: string; note: string };
  /** Bundles as they were signed; `idx` is the entry that names their digest. */
  ledger_attestation: { idx: number; digest: string; predicate_type: string; at: string; bundle: string };
  ledger_attestation_subject: { subject: string; idx: number; predicate_type: string };
};
