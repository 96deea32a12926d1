/**
 * What makes a scan fail: anything, anything at least that bad, or only what was not there before (`new`, and from a severity on). `report`:
 * nothing does; the paper then says so, and a policy may refuse it.
 */
export const scanLevels = ['any', 'medium', 'high', 'critical', 'new', 'new-medium', 'new-high', 'new-critical', 'report'] as const;
export type ScanLevel = (typeof scanLevels)[number];

/** What holds when the pipeline file says nothing. */
export const defaultScanLevel: ScanLevel = 'new';

/** Scans of the source, which run beside the stages. The image is scanned where it is built. */
export const treeScans = ['secrets', 'dependencies'] as const;
export type TreeScan = (typeof treeScans)[number];

export const defaultScans = { secrets: defaultScanLevel, dependencies: defaultScanLevel, image: defaultScanLevel } as const;
