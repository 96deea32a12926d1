import type { LayerContent, LayerFile } from './read-layer.ts';

export const fileAspects = ['type', 'mode', 'owner', 'mtime', 'size', 'content', 'link', 'extra'] as const;
export type FileAspect = (typeof fileAspects)[number];

export type FileDifference = {
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** For `changed`: what differs, and both values. */
  readonly aspects: readonly { readonly aspect: FileAspect; readonly from: string; readonly to: string }[];
};

export type LayerDifference = {
  /** In the order of the first layer, then what only the second has. */
  readonly files: readonly FileDifference[];
  /** The same files in another order; the first path where they part. */
  readonly order?: string;
  /** Nothing that a reader of files sees differs, and yet the tar's bytes do: padding, header form, or a path that stands twice. */
  readonly form: boolean;
};

/** What differs between two layers that are not byte for byte the same tar. */
export function diffLayers(from: LayerContent, to: LayerContent): LayerDifference {
  const files: FileDifference[] = [];
  for (const [path, before] of from.files) {
    const after = to.files.get(path);
    const aspects = after === undefined ? [] : diffFiles(before, after);
    if (after === undefined) files.push({ path, kind: 'removed', aspects: [] });
    else if (aspects.length > 0) files.push({ path, kind: 'changed', aspects });
  }
  for (const path of to.files.keys()) if (!from.files.has(path)) files.push({ path, kind: 'added', aspects: [] });
  const order = files.length === 0 ? firstOutOfOrder([...from.files.keys()], [...to.files.keys()]) : undefined;
  return { files, ...(order === undefined ? {} : { order }), form: files.length === 0 && order === undefined && from.diffId !== to.diffId };
}

function diffFiles(before: LayerFile, after: LayerFile): FileDifference['aspects'] {
  return fileAspects.flatMap((aspect) => {
    const [from, to] = [textOf(before, aspect), textOf(after, aspect)];
    return from === to ? [] : [{ aspect, from, to }];
  });
}

function textOf(file: LayerFile, aspect: FileAspect): string {
  return aspect === 'mode' ? `0${file.mode.toString(8)}` : String(file[aspect]);
}

function firstOutOfOrder(from: readonly string[], to: readonly string[]): string | undefined {
  const index = from.findIndex((path, place) => to[place] !== path);
  return index < 0 ? undefined : from[index];
}
