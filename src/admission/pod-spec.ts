import type { ImageUse } from '../policy/image-use.ts';
import { get, getText, isObject } from './json.ts';
import { imageUse } from './reference.ts';

/** Something in an object that cannot be read as Kubernetes defines it; it is denied, never skipped. */
export type Problem = { readonly at: string; readonly problem: string };

export type Found = { readonly uses: ImageUse[]; readonly problems: Problem[] };

/**
 * Every image of a PodSpec (core/v1): containers, initContainers, ephemeralContainers and image volumes.
 * `at` is the path of the PodSpec in its object.
 */
export function readPodSpec(spec: unknown, at: string, found: Found): void {
  if (!isObject(spec)) {
    found.problems.push({ at, problem: 'There is no pod specification here.' });
    return;
  }
  readContainers(get(spec, 'containers'), `${at}.containers`, true, found);
  readContainers(get(spec, 'initContainers'), `${at}.initContainers`, false, found);
  readContainers(get(spec, 'ephemeralContainers'), `${at}.ephemeralContainers`, false, found);
  readVolumes(get(spec, 'volumes'), `${at}.volumes`, found);
}

function readContainers(list: unknown, at: string, required: boolean, found: Found): void {
  if (list === undefined || list === null) {
    if (required) found.problems.push({ at, problem: 'There are no containers.' });
    return;
  }
  if (!Array.isArray(list) || (required && list.length === 0)) {
    found.problems.push({ at, problem: 'This is not a list of containers.' });
    return;
  }
  list.forEach((container: unknown, index) => {
    readImage(container, 'image', `${at}[${index}]`, getText(container, 'name'), found);
  });
}

function readVolumes(list: unknown, at: string, found: Found): void {
  if (list === undefined || list === null) return;
  if (!Array.isArray(list)) {
    found.problems.push({ at, problem: 'This is not a list of volumes.' });
    return;
  }
  list.forEach((volume: unknown, index) => {
    const where = `${at}[${index}]`;
    if (!isObject(volume)) {
      found.problems.push({ at: where, problem: 'This is not a volume.' });
      return;
    }
    const image = get(volume, 'image');
    if (image !== undefined && image !== null) readImage(image, 'reference', `${where}.image`, getText(volume, 'name'), found);
  });
}

function readImage(holder: unknown, key: string, at: string, name: string | undefined, found: Found): void {
  const text = get(holder, key);
  if (typeof text === 'string') found.uses.push(imageUse(`${at}.${key}`, name, text));
  else
    found.problems.push({ at: `${at}.${key}`, problem: text === undefined || text === null ? 'No image is named.' : 'This is not text.' });
}
