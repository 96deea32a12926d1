import { WaybillError } from '../kernel/error.ts';
import { isHash, verifyConsistency, type Hash } from './merkle.ts';
import { checkpointText, type Checkpoint, type NoteSigner } from './note.ts';

/** What the signer remembers: the last head that it signed. Kept where only the signer writes. */
export type SignedHead = { readonly size: number; readonly root: Hash };
export type HeadMemory = { load(): Promise<SignedHead | undefined>; save(head: SignedHead): Promise<void> };

export type CheckpointSigner = {
  readonly verifierKey: string;
  /** Size of the tree that was signed last: where the next consistency proof must begin. */
  lastSize(): Promise<number>;
  /** Signs a head that provably extends the last one. @throws WaybillError VERDICT_REFUSED for a rollback or another history */
  sign(head: SignedHead & { readonly consistency: readonly string[] }): Promise<string>;
};

/** Signs checkpoints one after the other. The memory is written before the signature is given away. */
export function checkpointSigner(options: { origin: string; signer: NoteSigner; memory: HeadMemory }): CheckpointSigner {
  const { origin, signer, memory } = options;
  let last: Promise<unknown> = Promise.resolve();
  const sign = async (head: SignedHead & { readonly consistency: readonly string[] }): Promise<string> => {
    if (!isHash(head.root) || !Number.isSafeInteger(head.size) || head.size < 0)
      throw new WaybillError('VERDICT_REFUSED', 'the head of the ledger is malformed');
    const before = await memory.load();
    if (before && head.size < before.size)
      throw new WaybillError(
        'VERDICT_REFUSED',
        `the ledger has ${head.size} entries; a checkpoint of ${before.size} was signed before (rolled back)`,
      );
    if (before && !verifyConsistency({ older: before, newer: head, hashes: head.consistency }))
      throw new WaybillError(
        'VERDICT_REFUSED',
        `the ledger of ${head.size} entries does not contain the ${before.size} that were signed before`,
      );
    const checkpoint: Checkpoint = { origin, size: head.size, root: head.root };
    await memory.save({ size: head.size, root: head.root });
    return signer.sign(checkpointText(checkpoint));
  };
  return {
    verifierKey: signer.verifierKey,
    lastSize: async () => (await memory.load())?.size ?? 0,
    sign(head) {
      const turn = last.then(() => sign(head));
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}
