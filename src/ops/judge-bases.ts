import { isWaybillError } from '../kernel/error.ts';
import { findBase, requireAllowed, type BasesWorld } from './plan-bases.ts';

export type BaseVerdict = { readonly reference: string; readonly digest?: string; readonly refused?: string; readonly fix?: string };

/** What a run would say of bases if it were made now: for `waybill lint`, before anything is pushed. */
export async function judgeBases(world: BasesWorld, references: readonly string[]): Promise<BaseVerdict[]> {
  const verdicts: BaseVerdict[] = [];
  for (const reference of new Set(references)) {
    if (reference === 'scratch') continue;
    let digest: Awaited<ReturnType<typeof findBase>> | undefined;
    try {
      digest = await findBase(world, reference);
      await requireAllowed(world, reference, digest);
      verdicts.push({ reference, digest });
    } catch (error) {
      if (!isWaybillError(error, 'NOT_FOUND', 'UNSUPPORTED', 'FORBIDDEN', 'INVALID_INPUT')) throw error;
      verdicts.push({ reference, ...(digest === undefined ? {} : { digest }), refused: error.detail, fix: error.fix });
    }
  }
  return verdicts;
}
