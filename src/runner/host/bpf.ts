import { WaybillError } from '../../kernel/error.ts';

/** One instruction of classic BPF (`struct sock_filter`, linux/filter.h). Jumps are relative to the next instruction. */
export type Instruction = { readonly code: number; readonly jt: number; readonly jf: number; readonly k: number };

const op = { load: 0x20, jumpEqual: 0x15, jumpGreaterOrEqual: 0x35, jumpSet: 0x45, and: 0x54, return: 0x06 };

/** Loads 32 bits at `offset` of `struct seccomp_data` into the accumulator. */
export const load = (offset: number): Instruction => ({ code: op.load, jt: 0, jf: 0, k: offset });
/** Skips `jt` instructions when the accumulator equals `k`, else `jf`. */
export const ifEqual = (k: number, jt: number, jf: number): Instruction => ({ code: op.jumpEqual, jt, jf, k });
export const ifAtLeast = (k: number, jt: number, jf: number): Instruction => ({ code: op.jumpGreaterOrEqual, jt, jf, k });
/** Skips `jt` when the accumulator has any bit of `k`. */
export const ifAny = (k: number, jt: number, jf: number): Instruction => ({ code: op.jumpSet, jt, jf, k });
export const and = (k: number): Instruction => ({ code: op.and, jt: 0, jf: 0, k });
export const ret = (k: number): Instruction => ({ code: op.return, jt: 0, jf: 0, k });

const maxInstructions = 4096; // BPF_MAXINSNS

/** The bytes that seccomp(2) takes, little-endian as on x86_64 and aarch64. Refuses jumps that leave the program. */
export function assemble(program: readonly Instruction[]): Buffer {
  if (program.length === 0 || program.length > maxInstructions) {
    throw new WaybillError('INTERNAL', `a filter of ${program.length} instructions`);
  }
  const bytes = Buffer.alloc(program.length * 8);
  for (const [at, { code, jt, jf, k }] of program.entries()) {
    if (jt > 255 || jf > 255 || (code !== op.return && at + 1 + Math.max(jt, jf) >= program.length)) {
      throw new WaybillError('INTERNAL', `the jump at instruction ${at} of a filter leaves it`);
    }
    bytes.writeUInt16LE(code, at * 8);
    bytes.writeUInt8(jt, at * 8 + 2);
    bytes.writeUInt8(jf, at * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, at * 8 + 4);
  }
  if (program.at(-1)?.code !== op.return) throw new WaybillError('INTERNAL', 'a filter does not end with a return');
  return bytes;
}
