import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { parsePolicySet, type EvidencePolicy, type PolicySet } from '../policy/evidence-policy.ts';

const gateNamespace = 'waybill-system';

/** `policy.yaml` in the data directory, or the default: our registry, a pinned digest, a review, every stage, the scans, provenance. Read anew at each use. */
export async function loadPolicies(
  data: string,
  registryName: string,
  approvals: number,
): Promise<{ defaultPolicy: EvidencePolicy; policies: () => Promise<PolicySet> }> {
  const defaultPolicy: EvidencePolicy = {
    registry: [registryName],
    mode: 'enforce',
    require: {
      review: { approvals },
      tests: 'all',
      provenance: true,
      scans: { secrets: true, sbom: true, vulnerabilities: true },
      imports: { approvals },
    },
  };
  const file = path.join(data, 'policy.yaml');
  const policies = async () => {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    return parsePolicySet(text === undefined ? { default: defaultPolicy } : parse(text, { maxAliasCount: 20 }), {
      ownNamespace: gateNamespace,
    });
  };
  await policies();
  return { defaultPolicy, policies };
}
