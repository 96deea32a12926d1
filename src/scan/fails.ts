import type { ScanLevel } from '../plan/scan-levels.ts';
import { atLeast, type Severity } from './severity.ts';

/** Whether a finding makes a scan of this level fail. */
export function fails(level: ScanLevel, finding: { readonly severity: Severity; readonly isNew: boolean }): boolean {
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
