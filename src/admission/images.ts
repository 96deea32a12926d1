import type { ImageUse } from '../policy/image-use.ts';
import { get, getPath, getText, isObject } from './json.ts';
import { readPodSpec, type Found, type Problem } from './pod-spec.ts';

/** API group (empty for core) and kind. The version plays no part: a new version of a known kind is judged like the old one. */
export type Kind = { readonly group: string; readonly kind: string };

/** A custom resource that holds pod templates: paths to objects with a `spec` (PodTemplateSpec), `*` for every item of a list or value of a map. */
export type CustomWorkload = Kind & { readonly templates: readonly (readonly string[])[] };

/**
 * What an object makes a cluster fetch. `workload`: a kind whose images are known to be complete; `list`: several objects;
 * `other`: a kind that holds no pod template that the gate was told of. `unread` then names the places that look like containers.
 */
export type Images = {
  readonly kind: 'workload' | 'list' | 'other';
  readonly uses: readonly ImageUse[];
  readonly problems: readonly Problem[];
  readonly unread: readonly Unread[];
};

/** A place of an unknown kind that looks like a container, with what it says the image is, if that is text. */
export type Unread = { readonly at: string; readonly image: string | undefined };

const workloads: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    '/Pod': ['spec'],
    '/PodTemplate': ['template', 'spec'],
    '/ReplicationController': ['spec', 'template', 'spec'],
    'apps/Deployment': ['spec', 'template', 'spec'],
    'apps/ReplicaSet': ['spec', 'template', 'spec'],
    'apps/StatefulSet': ['spec', 'template', 'spec'],
    'apps/DaemonSet': ['spec', 'template', 'spec'],
    'extensions/Deployment': ['spec', 'template', 'spec'],
    'extensions/ReplicaSet': ['spec', 'template', 'spec'],
    'extensions/DaemonSet': ['spec', 'template', 'spec'],
    'batch/Job': ['spec', 'template', 'spec'],
    'batch/CronJob': ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
  }),
);
/** Histories of workloads: nothing runs by them, and every rollout writes one. */
const histories: ReadonlySet<string> = new Set(['apps/ControllerRevision', 'extensions/ControllerRevision']);
const maxListDepth = 4;

/** The group and kind that an object claims for itself, for objects that come without a request. */
export function kindOf(object: unknown): Kind | undefined {
  const apiVersion = getText(object, 'apiVersion');
  const kind = getText(object, 'kind');
  if (apiVersion === undefined || kind === undefined) return undefined;
  return { group: apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '', kind };
}

/** Every image use in an object of this kind. Never throws: what cannot be read is a problem. */
export function imagesOf(object: unknown, kind: Kind, custom: readonly CustomWorkload[]): Images {
  return read(object, kind, custom, '', 0);
}

function read(object: unknown, kind: Kind, custom: readonly CustomWorkload[], at: string, depth: number): Images {
  const found: Found = { uses: [], problems: [] };
  if (!isObject(object)) return { kind: 'workload', uses: [], problems: [{ at, problem: 'This is not an object.' }], unread: [] };

  const path = workloads.get(nameOf(kind));
  if (path) {
    readPodSpec(getPath(object, path), join(at, path.join('.')), found);
    return { kind: 'workload', ...found, unread: [] };
  }
  const configured = custom.filter((entry) => nameOf(entry) === nameOf(kind));
  if (configured.length > 0) {
    for (const entry of configured) for (const template of entry.templates) readTemplates(object, template, at, found);
    // An empty list of templates runs nothing.
    const holds = found.uses.length + found.problems.length > 0;
    return { kind: holds ? 'workload' : 'other', ...found, unread: [] };
  }
  if (kind.kind.endsWith('List') && Object.hasOwn(object, 'items')) return readList(object, kind, custom, at, depth);
  return { kind: 'other', ...found, unread: histories.has(nameOf(kind)) ? [] : unreadContainers(object, at) };
}

function readList(object: unknown, kind: Kind, custom: readonly CustomWorkload[], at: string, depth: number): Images {
  const items = get(object, 'items');
  const uses: ImageUse[] = [];
  const problems: Problem[] = [];
  const unread: Unread[] = [];
  if (!Array.isArray(items)) problems.push({ at: join(at, 'items'), problem: 'This is not a list.' });
  else if (depth >= maxListDepth) problems.push({ at: join(at, 'items'), problem: 'Lists are nested too deeply.' });
  else {
    items.forEach((item: unknown, index) => {
      const where = `${join(at, 'items')}[${index}]`;
      // The items of a PodList need not repeat their kind.
      const own = kindOf(item) ?? (kind.kind === 'List' ? undefined : { group: kind.group, kind: kind.kind.slice(0, -'List'.length) });
      if (!own) {
        problems.push({ at: where, problem: 'This has no apiVersion and kind.' });
        return;
      }
      const images = read(item, own, custom, where, depth + 1);
      for (const use of images.uses) uses.push(use);
      for (const problem of images.problems) problems.push(problem);
      for (const place of images.unread) unread.push(place);
    });
  }
  return { kind: 'list', uses, problems, unread };
}

function readTemplates(value: unknown, path: readonly string[], at: string, found: Found): void {
  const [step, ...rest] = path;
  if (step === undefined) {
    readPodSpec(get(value, 'spec'), join(at, 'spec'), found);
  } else if (step !== '*') {
    readTemplates(get(value, step), rest, join(at, step), found);
  } else if (Array.isArray(value)) {
    value.forEach((item: unknown, index) => readTemplates(item, rest, `${at}[${index}]`, found));
  } else if (isObject(value)) {
    for (const key of Object.keys(value)) readTemplates(value[key], rest, join(at, key), found);
  } else {
    found.problems.push({ at, problem: 'There is no list or map of pod templates here.' });
  }
}

const containerKeys: ReadonlySet<string> = new Set(['container', 'containers', 'initContainers', 'ephemeralContainers']);
const maxUnread = 20;

/** Places in an object of an unknown kind that look like containers with images. Iterative, since nesting may be deep. */
function unreadContainers(root: unknown, at: string): Unread[] {
  const places: Unread[] = [];
  const open: { value: unknown; at: string; inContainers: boolean }[] = [{ value: root, at, inContainers: false }];
  for (let next = open.pop(); next !== undefined && places.length < maxUnread; next = open.pop()) {
    const { value, inContainers } = next;
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries())
        if (typeof item === 'object') open.push({ value: item, at: shortPath(next.at, `[${index}]`), inContainers });
    } else if (isObject(value)) {
      if (inContainers && Object.hasOwn(value, 'image')) places.push({ at: join(next.at, 'image'), image: getText(value, 'image') });
      for (const key of Object.keys(value)) {
        const child = value[key];
        // One level of map below the key is followed too: `containers: { web: { image } }`.
        if (typeof child === 'object' && child !== null) {
          open.push({
            value: child,
            at: shortPath(next.at, `.${key}`),
            inContainers: containerKeys.has(key) || (inContainers && !Object.hasOwn(value, 'image')),
          });
        }
      }
    }
  }
  return places;
}

function shortPath(at: string, step: string): string {
  const path = `${at}${step}`;
  return (path.startsWith('.') ? path.slice(1) : path).slice(0, 300);
}

function join(at: string, path: string): string {
  return at === '' ? path : `${at}.${path}`;
}

function nameOf(kind: Kind): string {
  return `${kind.group}/${kind.kind}`;
}
