import { z } from 'zod';
import type { FactsSource } from '../evidence/signer/facts-source.ts';
import { openBundle } from '../evidence/bundle.ts';
import { vsaType } from '../evidence/statements/vsa.ts';
import { vulnerabilitiesType } from '../evidence/statements/vulnerabilities.ts';
import type { RunId } from '../kernel/ids.ts';
import type { Attestation, Attestations } from '../ledger/attestations.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { importFacts, type ImportDeps } from './import-facts.ts';
import { buildFacts, requiredStages, reviewFacts, stageFacts } from './facts.ts';
import { requiredScans, rescanFacts, sbomFacts, scanFacts, type ScanFactsDeps } from './scan-facts.ts';

/** Papers are recorded in the order of their times, but for a clock that was wrong: a few are enough to find the newest among. */
const newestPapers = 6;

/** The signer's own view of what happened, from a store that it has opened read-only. */
export function signerFacts(
  deps: ScanFactsDeps & ImportDeps & { readonly ledger: Ledger; readonly attestations: Attestations },
): FactsSource {
  const { ledger, attestations } = deps;
  return {
    review: (run) => reviewFacts(deps, run as RunId),
    tests: (run, stage) => stageFacts(deps, run as RunId, stage),
    scan: (run, scan) => scanFacts(deps, run as RunId, scan),
    imageScan: (run, image) => scanFacts(deps, run as RunId, 'image', image),
    imageRescan: (run, image) => rescanFacts(deps, run as RunId, image),
    sbom: (run, image) => sbomFacts(deps, run as RunId, image),
    requiredScans: (run) => requiredScans(deps, run as RunId),
    build: (run, image) => buildFacts(deps, run as RunId, image),
    import: (number) => importFacts(deps, number),
    requiredStages: (run) => requiredStages(deps, run as RunId),
    papers: async (image) => (await attestations.findAttestations({ subject: image })).map((paper) => paper.bundle),
    async looks(image) {
      const newest = await attestations.newestAbout({ subject: image, predicateType: vulnerabilitiesType, limit: newestPapers });
      return newest.map(({ index, digest, at }) => ({
        paper: digest,
        recordedAt: at,
        read: async () => (await attestations.getAttestation(index)).bundle,
      }));
    },
    async ledgerHead(from) {
      const size = await ledger.size();
      return { size, root: await ledger.rootAt(size), consistency: await ledger.consistencyProof(Math.min(from, size), size) };
    },
    async snapshot() {
      const summaries: { bundle: string; recordedAt: string }[] = [];
      for (let from = 0; ;) {
        const page: Attestation[] = await attestations.attestationsOf(vsaType, from);
        for (const paper of page) if (isImageSummary(paper.bundle)) summaries.push({ bundle: paper.bundle, recordedAt: paper.at });
        const last = page.at(-1);
        if (!last) break;
        from = last.index + 1;
      }
      return { sequence: await ledger.size(), summaries, revoked: [] };
    },
  };
}

const imageSummary = z.object({ predicate: z.object({ waybill: z.object({ digest: z.string() }) }) });

/** A source has a summary of the same predicate type; what is signed is checked by the signer. */
function isImageSummary(bundle: string): boolean {
  return imageSummary.safeParse(JSON.parse(openBundle(bundle).payload.toString('utf8'))).success;
}
