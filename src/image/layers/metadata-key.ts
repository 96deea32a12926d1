import { createHash } from 'node:crypto';
import type { LayerEntry } from './walk.ts';

/** Names what would be packed without reading it. */
export type MetadataKey = { readonly key: string; readonly changedAt: number };

/**
 * A key over paths, types, modes, link targets and stamps: equal keys mean equal layers, provided that the files were read clearly later than
 * `changedAt` (a change within the same tick of the clock leaves the stamp as it is). Undefined when a file has no stamp.
 */
export function metadataKey(entries: readonly LayerEntry[], salt: readonly string[]): MetadataKey | undefined {
  const hash = createHash('sha256').update(JSON.stringify(salt));
  let changedAt = Number.NEGATIVE_INFINITY;
  let lines = '';
  for (const entry of entries) {
    const { type, path } = entry;
    if (type === 'file') {
      const { size, mode, identity, stamp } = entry.file;
      if (!stamp) return undefined;
      changedAt = Math.max(changedAt, stamp.changedAt);
      lines += `\0f${path}\0${mode}\0${size}\0${identity ?? ''}\0${stamp.text}`;
    } else lines += type === 'symlink' ? `\0l${path}\0${entry.target}` : `\0d${path}\0${entry.mode}`;
    if (lines.length < 65_536) continue;
    hash.update(lines);
    lines = '';
  }
  return { key: hash.update(lines).digest('hex'), changedAt };
}
