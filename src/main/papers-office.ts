import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseKeyRing, type KeyRing } from '../evidence/keys.ts';
import { verifySnapshot } from '../evidence/snapshot-envelope.ts';
import type { Snapshot } from '../evidence/snapshot.ts';
import type { SignerClient } from '../evidence/signer/client.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { parseVerifierKey } from '../ledger/note.ts';
import type { PapersOffice } from '../ops/papers-office.ts';

/** The server's side of the signer. Everything that comes back is verified with the public keys before it is kept. */
export async function openPapersOffice(signer: SignerClient, ledger: Ledger, folder: string): Promise<PapersOffice> {
  const file = path.join(folder, 'snapshot.json');
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const keys = await signer.request<'keys'>({ kind: 'keys' });
  const ring: KeyRing = parseKeyRing(keys.ring);
  const verifiers = [parseVerifierKey(keys.checkpoint)];
  let current: { snapshot: Snapshot; envelope: string } | undefined;
  let sealing: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  const sealOnce = async () => {
    await ledger.checkpoint(async () => (await signer.request<'checkpoint'>({ kind: 'checkpoint' })).note, verifiers);
    const { envelope } = await signer.request<'snapshot'>({ kind: 'snapshot' });
    const snapshot = verifySnapshot(envelope, ring);
    await writeFile(`${file}.next`, envelope, { mode: 0o640 });
    await rename(`${file}.next`, file);
    current = { snapshot, envelope };
  };

  return {
    review: async (run, image) =>
      (await signer.request<'review'>({ kind: 'review', run, ...(image === undefined ? {} : { image }) })).papers,
    tests: async (run, stage, image) =>
      (await signer.request<'tests'>({ kind: 'tests', run, stage, ...(image === undefined ? {} : { image }) })).papers,
    scan: async (run, scan, image) =>
      (await signer.request<'scan'>({ kind: 'scan', run, scan, ...(image === undefined ? {} : { image }) })).papers,
    imageScan: async (run, image) => (await signer.request<'image-scan'>({ kind: 'image-scan', run, image })).papers,
    imageRescan: async (run, image) => (await signer.request<'image-rescan'>({ kind: 'image-rescan', run, image })).papers,
    sbom: async (run, image) => (await signer.request<'sbom'>({ kind: 'sbom', run, image })).papers,
    provenance: async (run, image) => (await signer.request<'provenance'>({ kind: 'provenance', run, image })).papers,
    async summary(run, image) {
      const { papers, signature } = await signer.request<'summary'>({ kind: 'summary', run, image });
      return { papers, signature };
    },
    async imported(number) {
      const { papers, signature } = await signer.request<'import'>({ kind: 'import', number });
      return { papers, signature };
    },
    async seal() {
      // Whoever asks while one is being made needs one that begins after the asking; all who wait share the next.
      if (!sealing) {
        sealing = sealOnce().finally(() => {
          sealing = undefined;
        });
        return sealing;
      }
      const before = sealing;
      next ??= before
        .catch(() => undefined)
        .then(() => {
          next = undefined;
          sealing = sealOnce().finally(() => {
            sealing = undefined;
          });
          return sealing;
        });
      return next;
    },
    async snapshot() {
      if (current) return current;
      const envelope = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      if (envelope === undefined) return undefined;
      current = { snapshot: verifySnapshot(envelope, ring), envelope };
      return current;
    },
    keys: async () => ({ papers: keys.ring, ledger: keys.checkpoint }),
  };
}
