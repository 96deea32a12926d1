import { atLeast, type Severity } from './severity.ts';

/**
 * What makes a scan fail: anything, anything at least that bad, or only what was not there before (`new`, and from a severity on). `report`:
 * nothing does; the paper then says so, and a policy may refuse it.
 */
export const failLevels = ['any', 'medium', 'high', 'critical', 'new', 'new-medium', 'new-high', 'new-critical', 'report'] as const;
export type FailLevel = (typeof failLevels)[number];

/** What holds when the pipeline file says nothing. */
export const defaultFailLevel: FailLevel = 'new';

export function fails(level: FailLevel, finding: { readonly severity: Severity; readonly isNew: boolean }): boolean {
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
    case 'new-high':
    case 'new-critical':
      return finding.isNew && atLeast(finding.severity, level === 'new-medium' ? 'medium' : level === 'new-high' ? 'high' : 'critical');
  }
}
