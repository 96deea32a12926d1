import { pack } from 'tar-stream';
import { buffer } from 'node:stream/consumers';

/**
 * podman keeps a pod's network in a container that only waits, and needs a program for it (catatonit) that is often not
 * installed, or an image from the Internet. This is such an image, made here: one ELF file (System V ABI, ELF-64) of about
 * 130 bytes that calls pause(2) for ever.
 */
export const pauseImage = 'localhost/waybill-pause:1';

/** Machine of the ELF header and code, by Node's name of the architecture. */
const programs: Readonly<Record<string, { readonly machine: number; readonly code: readonly number[] }>> = {
  // mov eax, 34; syscall; jmp back
  x64: { machine: 62, code: [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7] },
  // mov x0..x4, 0; mov x8, 73 (ppoll); svc 0; b back
  arm64: {
    machine: 183,
    code: [
      0, 0, 0x80, 0xd2, 1, 0, 0x80, 0xd2, 2, 0, 0x80, 0xd2, 3, 0, 0x80, 0xd2, 4, 0, 0x80, 0xd2, 0x28, 9, 0x80, 0xd2, 1, 0, 0, 0xd4, 0xf9,
      0xff, 0xff, 0x17,
    ],
  },
};

/** A root file system with `/pause`, as a tar; undefined for an architecture that has no program here. */
export async function pauseTar(architecture: string): Promise<Buffer | undefined> {
  const program = Object.hasOwn(programs, architecture) ? programs[architecture] : undefined;
  if (program === undefined) return undefined;
  const tar = pack();
  tar.entry({ name: 'pause', mode: 0o755, mtime: new Date(0) }, elf(program.machine, Buffer.from(program.code)));
  tar.finalize();
  return await buffer(tar);
}

function elf(machine: number, code: Buffer): Buffer {
  const headers = 64 + 56;
  const base = 0x400000n;
  const file = Buffer.alloc(headers + code.length);
  const size = BigInt(file.length);
  file.write('\x7fELF', 'latin1');
  file.set([2, 1, 1], 4); // 64 bit, little-endian, version 1
  file.writeUInt16LE(2, 16); // executable
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(base + BigInt(headers), 24); // entry
  file.writeBigUInt64LE(64n, 32); // program header
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt16LE(64, 58);
  file.writeUInt32LE(1, 64); // load
  file.writeUInt32LE(5, 68); // read and execute
  file.writeBigUInt64LE(base, 80);
  file.writeBigUInt64LE(base, 88);
  file.writeBigUInt64LE(size, 96);
  file.writeBigUInt64LE(size, 104);
  file.writeBigUInt64LE(0x1000n, 112);
  code.copy(file, headers);
  return file;
}
