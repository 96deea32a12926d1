import path from 'node:path';
import type { Processes } from '../cli/context.ts';
import { loadConfig } from '../config/config.ts';
import { makeAttestor } from '../evidence/signer/attest.ts';
import { serveSigner } from '../evidence/signer/server.ts';
import { signedHeadSchema, signedSnapshotSchema, stateFile } from '../evidence/signer/state-file.ts';
import { openIdentity } from '../identity/identity.ts';
import { can } from '../identity/roles.ts';
import { systemClock } from '../kernel/clock.ts';
import { attestations } from '../ledger/attestations.ts';
import { checkpointSigner, type HeadMemory } from '../ledger/checkpoint-signer.ts';
import { openLedger } from '../ledger/ledger.ts';
import type { Hash } from '../ledger/merkle.ts';
import { openScanDocuments } from '../scan/documents.ts';
import { parseReference } from '../oci/reference.ts';
import { signerFacts } from '../ops/signer-facts.ts';
import { refuseBase } from '../policy/base-policy.ts';
import { openImports } from '../registry/imports.ts';
import { openUpstreamTrust } from '../registry/upstream-trust.ts';
import { openJournal } from '../run/journal.ts';
import { readMergedCommit, readProtectedRef } from '../source/merged-commit.ts';
import { openStore } from '../store/store.ts';
import { processLogger } from './logger.ts';
import { namesOf } from './names.ts';
import { privateFolder } from './private-folder.ts';
import { readSignerFiles } from './signer-files.ts';

/**
 * The signer: the only process that opens the signing keys. It reads journal, merges and ledger by itself, from a database that it has
 * opened read-only, and signs what they show.
 */
export const signer: Processes['signer'] = async ({ data, untilStdinEnds, signal, onReady }) => {
  const config = await loadConfig(data);
  const { folders } = config;
  const logger = processLogger('signer');
  const files = await readSignerFiles(folders.signer);
  await using store = openStore(folders.storeFile, { readonly: true });
  const ledger = await openLedger(store, systemClock, files.origin);
  const identity = openIdentity(store, systemClock);
  const names = namesOf(config);
  const headFile = stateFile(files.signedHeadFile, signedHeadSchema);
  const memory: HeadMemory = {
    load: async () => {
      const head = await headFile.load();
      return head && { size: head.size, root: head.root as Hash };
    },
    save: (head) => headFile.save(head),
  };
  const checkpoints = checkpointSigner({ origin: files.origin, signer: files.checkpointSigner, memory });
  const attest = makeAttestor({
    papersKey: files.papersKey,
    ring: files.ring,
    checkpoints: { ...checkpoints, sign: (head) => checkpoints.sign({ ...head, root: head.root as Hash }) },
    snapshotState: stateFile(files.signedSnapshotFile, signedSnapshotSchema),
    clock: systemClock,
    names,
    policy: { uri: 'https://waybill.dev/policy/papers/v1' },
    validity: { summaryDays: config.admission.validDays },
    logger,
    refuseBase: ({ reference }, papers, at) =>
      refuseBase(config.bases, { reference, pinned: parseReference(reference).digest !== undefined, papers }, at),
    facts: signerFacts({
      journal: openJournal(store, systemClock),
      reviewedCommit: async (repository, commit) => readMergedCommit(store, await identity.listPeople(), repository, commit),
      protectedRef: (repository) => readProtectedRef(store, repository),
      builderId: names.builderId,
      imports: openImports(store, systemClock),
      upstreamTrust: openUpstreamTrust(store, systemClock),
      requiredApprovals: config.review.approvals,
      reviewers: async () =>
        new Set((await identity.listPeople()).filter((person) => can(person, 'approve')).map((person) => person.id as string)),
      ledger,
      documents: openScanDocuments(store, systemClock),
      attestations: attestations(store, systemClock),
    }),
  });
  await privateFolder(path.dirname(folders.sockets.signer), folders.data);
  await using _server = await serveSigner({ socket: folders.sockets.signer, handle: (request) => attest(request), logger });
  onReady(folders.sockets.signer);
  const orphaned = new AbortController();
  if (untilStdinEnds) process.stdin.once('close', () => orphaned.abort()).resume();
  await aborted(AbortSignal.any([signal, orphaned.signal]));
};

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
