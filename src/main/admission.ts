import path from 'node:path';
import { parse } from 'yaml';
import { ensureCertificates } from '../admission/certificates.ts';
import { serveAdmission } from '../admission/server.ts';
import { SnapshotSource } from '../admission/snapshot-source.ts';
import { snapshotFromFile, snapshotFromUrl } from '../admission/snapshot-fetch.ts';
import type { Processes } from '../cli/context.ts';
import { parseNamed } from '../cli/input.ts';
import { parseKeyRing, type KeyRing } from '../evidence/keys.ts';
import { systemClock } from '../kernel/clock.ts';
import { messageOf } from '../kernel/error.ts';
import { parsePolicySet, type PolicySet } from '../policy/evidence-policy.ts';
import { processLogger } from './logger.ts';

const gateNamespace = 'waybill-system';
const rereadMs = 60_000;

/** The gate as a process: keys and policies pinned in files, the snapshot from the server or a file, certificates of its own. */
export const admission: Processes['admission'] = async (options) => {
  const logger = processLogger('admission');
  const clock = systemClock;
  let ring: KeyRing = await readRing(options.keys);
  let policies: PolicySet = await readPolicies(options.policy);
  await using stack = new AsyncDisposableStack();

  const source = stack.use(
    new SnapshotSource({
      fetchSnapshot: /^https?:/.test(options.source)
        ? snapshotFromUrl(new URL('/api/v1/snapshot', options.source))
        : snapshotFromFile(options.source),
      ring: () => ring,
      file: path.join(options.folder, 'snapshot-copy.json'),
      clock,
      logger,
      limits: { pollMs: 5_000 },
    }),
  );
  await source.start();

  const certificates = () => ensureCertificates(options.folder, options.names, clock.now());
  let current = await certificates();
  const server = stack.use(
    await serveAdmission({ host: options.host, port: options.port, tls: current.serving, policies: () => policies, source, clock, logger }),
  );
  const reread = setInterval(() => {
    void (async () => {
      try {
        ring = await readRing(options.keys);
        policies = await readPolicies(options.policy);
        if (clock.now() < current.renewAt) return;
        current = await certificates();
        server.replaceCertificate(current.serving);
        logger.warn(
          { folder: options.folder },
          'the certificates were renewed; bring the CA to the webhook configuration: waybill admission webhook',
        );
      } catch (error) {
        logger.error({ error: messageOf(error) }, 'keys, policies or certificates could not be read anew; the old ones hold');
      }
    })();
  }, rereadMs);
  stack.defer(() => clearInterval(reread));

  options.onReady(`https://${options.host}:${server.port}`);
  if (!options.signal.aborted) await new Promise((resolve) => options.signal.addEventListener('abort', resolve, { once: true }));
};

async function readRing(file: string): Promise<KeyRing> {
  const value = await parseNamed('.', file, JSON.parse);
  return parseKeyRing(value instanceof Object && 'papers' in value ? value.papers : value);
}

async function readPolicies(file: string): Promise<PolicySet> {
  return parsePolicySet(await parseNamed('.', file, (text) => parse(text, { maxAliasCount: 20 })), { ownNamespace: gateNamespace });
}
