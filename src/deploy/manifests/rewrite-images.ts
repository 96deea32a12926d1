import { WaybillError } from '../../kernel/error.ts';
import { isJsonObject, type JsonObject, textAt } from '../../kube/object.ts';
import { changeTemplate, type LoadedObject } from './loaded-object.ts';

const pinned = /^[a-z0-9][a-zA-Z0-9._:/[\]-]*@sha256:[0-9a-f]{64}$/;
const containerLists = ['initContainers', 'containers', 'ephemeralContainers'];

/**
 * Every reference in a pod template (containers and image volumes) whose name, without tag and digest, equals a key of `map`
 * becomes that key's pinned reference. Other images stay as they are.
 * @param map reference as written in the manifests → `registry/repository@sha256:…`
 * @throws WaybillError INVALID_INPUT when a key matches nothing: the manifests would run something else than what was built
 */
export function rewriteImages(loaded: readonly LoadedObject[], map: Readonly<Record<string, string>>): LoadedObject[] {
  const wanted = new Map<string, { key: string; reference: string }>();
  for (const [key, reference] of Object.entries(map)) {
    if (!pinned.test(reference))
      throw new WaybillError('INVALID_INPUT', `${JSON.stringify(reference.slice(0, 200))} is no reference with a digest`);
    wanted.set(nameOf(key), { key, reference });
  }
  const used = new Set<string>();
  const rewrite = (image: string): string => {
    const match = wanted.get(nameOf(image));
    if (match === undefined) return image;
    used.add(match.key);
    return match.reference;
  };
  const changed = loaded.map((entry) => changeTemplate(entry, (template) => rewriteTemplate(template, rewrite)));
  const unused = Object.keys(map).filter((key) => !used.has(key));
  if (unused.length > 0)
    throw new WaybillError(
      'INVALID_INPUT',
      `no pod template in ${places(loaded)} uses the image ${unused.map((key) => `\`${key}\``).join(', ')}`,
      {
        fix: `Write \`image: ${unused[0] ?? ''}\` in the manifest, or correct \`images\` in the pipeline file; it has ${
          imagesOf(loaded)
            .map((image) => `\`${image}\``)
            .join(', ') || 'no image'
        }.`,
      },
    );
  return changed;
}

/** Replaces every image of the pod templates for which `replacement` gives another. */
export function mapImages(loaded: readonly LoadedObject[], replacement: (image: string) => string | undefined): LoadedObject[] {
  return loaded.map((entry) => changeTemplate(entry, (template) => rewriteTemplate(template, (image) => replacement(image) ?? image)));
}

/** Every image that the pod templates name, each once, in their order. */
export function imagesOf(loaded: readonly LoadedObject[]): string[] {
  const found = new Set<string>();
  const collect = (image: string): string => {
    found.add(image);
    return image;
  };
  for (const entry of loaded) changeTemplate(entry, (template) => rewriteTemplate(template, collect));
  return [...found];
}

/** The reference without tag and digest (a colon before the last slash belongs to a port). */
export function nameOf(reference: string): string {
  const name = reference.split('@')[0] ?? '';
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
}

function rewriteTemplate(template: JsonObject, rewrite: (image: string) => string): JsonObject {
  const spec = template['spec'];
  if (!isJsonObject(spec)) return template;
  const changed: Record<string, unknown> = { ...spec };
  for (const list of containerLists) {
    const containers = spec[list];
    if (Array.isArray(containers)) changed[list] = containers.map((container: unknown) => replace(container, 'image', rewrite));
  }
  const volumes = spec['volumes'];
  if (Array.isArray(volumes))
    changed['volumes'] = volumes.map((volume: unknown) =>
      isJsonObject(volume) && isJsonObject(volume['image']) ? { ...volume, image: replace(volume['image'], 'reference', rewrite) } : volume,
    );
  return { ...template, spec: changed };
}

function replace(value: unknown, field: string, rewrite: (image: string) => string): unknown {
  const image = textAt(value, field);
  return isJsonObject(value) && image !== undefined ? { ...value, [field]: rewrite(image) } : value;
}

function places(loaded: readonly LoadedObject[]): string {
  const files = [...new Set(loaded.map((entry) => entry.file))];
  return files.length > 5 ? `${files.slice(0, 5).join(', ')} and ${files.length - 5} more` : files.join(', ');
}
