import type { ScanLevel } from '../plan/scan-levels.ts';
import { atLeast, type Severity } from './severity.ts';

/**
 * Whether a finding makes a scan of this level fail. A habit of an image (root, a shell, set-uid files) fails only where somebody asks for severities:
 * most images have some from their base, and a first build that fails on each of them teaches to switch scans off.
 */
export function fails(
  level: ScanLevel,
  finding: { readonly severity: Severity; readonly isNew: boolean; readonly habit?: boolean },
): boolean {
  if (finding.habit === true && level.startsWith('new')) return false;
  switch (level) {
    case 'report':
      return false;
    case 'any':
      return true;
    case 'new':
      return finding.isNew;
    case 'medium':
    case 'high':
    case 'critical':
      return atLeast(finding.severity, level);
    case 'new-medium':
      return finding.isNew && atLeast(finding.severity, 'medium');
    case 'new-high':
      return finding.isNew && atLeast(finding.severity, 'high');
    case 'new-critical':
      return finding.isNew && atLeast(finding.severity, 'critical');
  }
}
