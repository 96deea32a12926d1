import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  generateCheckpointKey,
  generatePapersKey,
  keyRingFile,
  loadPapersKey,
  parseKeyRing,
  ringKey,
  type KeyRing,
  type SigningKey,
} from '../evidence/keys.ts';
import { WaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { noteSigner, type NoteSigner } from '../ledger/note.ts';

/** The signer's folder: private keys (0600), the ring of public keys, what was signed last. */
const files = (folder: string) => ({
  papers: path.join(folder, 'papers.key.pem'),
  checkpoints: path.join(folder, 'checkpoints.key.pem'),
  ring: path.join(folder, 'keyring.json'),
  origin: path.join(folder, 'origin'),
  signedHead: path.join(folder, 'signed-head.json'),
  signedSnapshot: path.join(folder, 'signed-snapshot.json'),
});

/** Makes both keys. Never overwrites one. */
export async function createSignerFiles(folder: string, now: Date): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const at = files(folder);
  const papers = generatePapersKey();
  const write = (file: string, text: string, mode: number) => writeFile(file, text, { mode, flag: 'wx' });
  await write(at.papers, papers.privateKey.reveal(), 0o600);
  await write(at.checkpoints, generateCheckpointKey().privateKey.reveal(), 0o600);
  await write(at.ring, JSON.stringify(keyRingFile({ keys: [ringKey(papers.publicKey, { validFrom: now })] }), null, 2), 0o644);
  await write(at.origin, `waybill/${papers.keyId.slice(0, 16)}`, 0o644);
}

export type SignerFiles = {
  readonly papersKey: SigningKey;
  readonly checkpointSigner: NoteSigner;
  readonly ring: KeyRing;
  readonly origin: string;
  readonly signedHeadFile: string;
  readonly signedSnapshotFile: string;
};

/** @throws WaybillError NOT_FOUND, FORBIDDEN for a key that others can read */
export async function readSignerFiles(folder: string): Promise<SignerFiles> {
  const at = files(folder);
  const origin = await readOrigin(folder);
  return {
    papersKey: loadPapersKey(await readKey(at.papers)),
    checkpointSigner: noteSigner(origin, await readKey(at.checkpoints)),
    ring: parseKeyRing(JSON.parse(await readFile(at.ring, 'utf8'))),
    origin,
    signedHeadFile: at.signedHead,
    signedSnapshotFile: at.signedSnapshot,
  };
}

/** The ledger's name in its checkpoints. Public: the server reads it too. */
export async function readOrigin(folder: string): Promise<string> {
  return (await readFile(files(folder).origin, 'utf8')).trim();
}

async function readKey(file: string): Promise<Secret> {
  const { mode } = await stat(file).catch((cause: unknown) => {
    throw new WaybillError('NOT_FOUND', `the signing key ${file} is not there`, {
      cause,
      fix: 'Restore it from a backup; waybill init makes one only for a new data directory.',
    });
  });
  if ((mode & 0o077) !== 0)
    throw new WaybillError('FORBIDDEN', `${file} can be read by others (mode ${(mode & 0o777).toString(8)})`, { fix: `chmod 600 ${file}` });
  return new Secret(await readFile(file, 'utf8'));
}
