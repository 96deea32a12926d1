import type { Command } from 'commander';
import { parse } from 'yaml';
import { admitFile } from '../admission/admit-file.ts';
import { ensureCertificates, readCaBundle } from '../admission/certificates.ts';
import { indexSnapshot } from '../admission/snapshot-index.ts';
import { validatingAdmissionPolicies } from '../admission/validating-admission-policy.ts';
import { webhookConfiguration } from '../admission/webhook-configuration.ts';
import { endpoints } from '../api/endpoints.ts';
import { parseKeyRing } from '../evidence/keys.ts';
import { verifySnapshot } from '../evidence/snapshot-envelope.ts';
import { WaybillError } from '../kernel/error.ts';
import { parsePolicySet, type PolicySet } from '../policy/evidence-policy.ts';
import type { CliContext } from './context.ts';
import { parseNamed, readNamed, webAddress, wholeNumber } from './input.ts';
import { serverKeys, show } from './output.ts';
import { badge } from './terminal.ts';

const gateNamespace = 'waybill-system';
const largestFile = 8 * 1024 * 1024;

export type AdmitOptions = { file: string; namespace: string; snapshot?: string; keys?: string; policy?: string };

/** The verdict of the gate on a file; the status is non-zero when something is denied. */
export async function admit(program: Command, context: CliContext, options: AdmitOptions): Promise<void> {
  const text = options.file === '-' ? await context.readStdin() : await readNamed(context.cwd, options.file);
  if (text.length > largestFile) throw new WaybillError('LIMIT_EXCEEDED', `${options.file} is larger than ${largestFile} characters`);
  const fetched = async (file: string | undefined, endpoint: 'snapshot' | 'keys' | 'policy'): Promise<unknown> =>
    file === undefined ? (await context.client()).call(endpoints[endpoint]) : parseNamed(context.cwd, file, parse);
  if (options.keys === undefined) context.note(serverKeys);
  const keys = (await fetched(options.keys, 'keys')) as { papers?: unknown };
  const snapshot = verifySnapshot(JSON.stringify(await fetched(options.snapshot, 'snapshot')), parseKeyRing(keys.papers ?? keys));
  const policies = parsePolicySet(await fetched(options.policy, 'policy'), { ownNamespace: gateNamespace });
  const now = new Date();
  const knowledge = indexSnapshot(snapshot).knowledge(now);
  const verdicts = await admitFile(text, options.file, {
    policies,
    source: { knowledge: async () => knowledge },
    now,
    namespace: options.namespace,
  });
  if (verdicts.some(({ verdict }) => verdict.decision === 'deny')) context.exitWith(1);
  show(context, program, verdicts, (paint) =>
    verdicts.map(({ place, text: paragraph, verdict }) => `${badge(paint, verdict.decision)} ${paint('dim', place)} ${paragraph}`),
  );
}

export type WebhookCommandOptions = { url: string; folder: string; name: string[]; clusterVersion: string; policy?: string };

/** Prints what has to be applied to a cluster so that it asks the gate. */
export async function printWebhook(context: CliContext, options: WebhookCommandOptions): Promise<void> {
  const [major = 1, minor = 0] = options.clusterVersion.replace(/^v/, '').split('.').slice(0, 2).map(wholeNumber);
  const host = webAddress(options.url).hostname;
  // Beside a gate that runs its certificates are read; they are made here only when the webhook is registered first.
  const names = options.name.length > 0 ? options.name : [host];
  const caBundle = (await readCaBundle(options.folder)) ?? (await ensureCertificates(options.folder, names, new Date())).caBundle;
  const policy =
    options.policy === undefined
      ? await (await context.client()).call(endpoints.policy)
      : await parseNamed(context.cwd, options.policy, parse);
  const policies: PolicySet = parsePolicySet(policy, { ownNamespace: gateNamespace });
  const items = [
    webhookConfiguration({
      client: { url: new URL('/admit', options.url).href, caBundle },
      exemptNamespaces: policies.exemptNamespaces,
      cluster: { major, minor },
    }),
    ...(major > 1 || minor >= 30 ? validatingAdmissionPolicies(policies) : []),
  ];
  context.out(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2));
}
