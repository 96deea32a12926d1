import { WaybillError } from '../../kernel/error.ts';
import type { BuildFacts, ScanFacts } from '../facts.ts';
import type { ScanSummary } from '../snapshot.ts';
import type { Statement } from '../statement.ts';
import { sbomPredicate, sbomType } from '../statements/sbom.ts';
import { secretScanPredicate, secretScanType } from '../statements/secret-scan.ts';
import { lookOf, timeOf } from '../statements/look.ts';
import { vulnerabilitiesPredicate, vulnerabilitiesType, type Vulnerabilities } from '../statements/vulnerabilities.ts';
import { requireSource } from './require-source.ts';

/**
 * Gathers what the papers of scans about one image say. Of several of a kind the newest counts; a look that came after a run's counts for image and source alike, and
 * for nothing where the run's own are missing.
 */
export function scanPapers(build: BuildFacts): {
  /** False when it is no paper of a scan. @throws when it is one and does not count */
  take(statement: Statement): boolean;
  missing(required: readonly ScanFacts['scan'][]): readonly string[];
  summary(): ScanSummary | undefined;
} {
  let secrets: string | undefined;
  let sbom = false;
  const looks = new Map<'dependencies' | 'image', Vulnerabilities>();
  let again: Vulnerabilities | undefined;
  return {
    take(statement) {
      if (statement.predicateType === secretScanType) {
        requireSource(statement.subject, build.source);
        const { metadata } = secretScanPredicate.parse(statement.predicate);
        if (secrets === undefined || metadata.scanFinishedOn > secrets) secrets = metadata.scanFinishedOn;
        return true;
      }
      if (statement.predicateType === sbomType) {
        sbomPredicate.parse(statement.predicate);
        sbom = true;
        return true;
      }
      if (statement.predicateType !== vulnerabilitiesType) return false;
      requireSource(statement.subject, build.source);
      const found = vulnerabilitiesPredicate.parse(statement.predicate);
      const { scan } = found.waybill;
      if (scan === 'secrets') throw new WaybillError('PAPER_MALFORMED', 'a paper about vulnerabilities names the scan of secrets');
      const known = found.waybill.again ? again : looks.get(scan);
      if (known && timeOf(found) <= timeOf(known)) return true;
      if (found.waybill.again) again = found;
      else looks.set(scan, found);
      return true;
    },
    missing(required) {
      return required.flatMap((scan) => {
        if (scan === 'secrets') return secrets === undefined ? ['there is no paper of the scan of secrets'] : [];
        const found = looks.has(scan) ? [] : [`there is no paper of the scan of ${scan === 'image' ? 'the image' : scan}`];
        return scan === 'image' && !sbom ? [...found, 'there is no list of components'] : found;
      });
    },
    summary() {
      if (secrets === undefined && !sbom && looks.size === 0) return undefined;
      // Half of a look is none.
      const own = looks.size === 2 ? lookOf([...looks.values()]) : undefined;
      const look = own && again && timeOf(again) > own.at ? lookOf([again]) : own;
      return {
        ...(secrets === undefined ? {} : { secrets: { at: secrets } }),
        ...(sbom ? { sbom } : {}),
        ...(look ? { vulnerabilities: look } : {}),
      };
    },
  };
}
