import { isScalar, LineCounter, parseAllDocuments, visit, type Document, type Tags } from 'yaml';
import { WaybillError } from '../../kernel/error.ts';
import { isJsonObject, isKubeObject, objectsAt, type JsonObject } from '../../kube/object.ts';
import type { LoadedObject } from './loaded-object.ts';

const limits = { files: 500, fileBytes: 1024 * 1024, objects: 1000, depth: 64 };
const manifestFile = /\.(?:ya?ml|json)$/i;
const otherTools: readonly (readonly [RegExp, string])[] = [
  [/(?:^|\/)kustomization(?:\.ya?ml)?$/i, 'a kustomization'],
  [/(?:^|\/)Chart\.ya?ml$/, 'a Helm chart'],
];

/**
 * Plain YAML or JSON manifests, several documents a file; a `List` is taken apart. Files are read in the order of their paths.
 * @param files path in the tree → content; what is not YAML or JSON by its name is left alone
 * @throws WaybillError INVALID_INPUT with `file:line`, UNSUPPORTED, LIMIT_EXCEEDED
 */
export function loadManifests(files: ReadonlyMap<string, string>): LoadedObject[] {
  if (files.size > limits.files) throw new WaybillError('LIMIT_EXCEEDED', `more than ${limits.files} files of manifests`);
  for (const path of files.keys())
    for (const [pattern, what] of otherTools)
      if (pattern.test(path))
        throw new WaybillError('UNSUPPORTED', `${path}: ${what} is not supported yet by this version`, {
          fix: 'Render it to plain YAML and commit that: `kubectl kustomize`, or `helm template`.',
        });
  const loaded = [...files.keys()]
    .filter((path) => manifestFile.test(path))
    .sort()
    .flatMap((path) => loadFile(path, files.get(path) ?? ''));
  if (loaded.length === 0)
    throw new WaybillError('INVALID_INPUT', 'the manifests hold no object', { fix: 'Name a file or folder with Kubernetes YAML in it.' });
  if (loaded.length > limits.objects) throw new WaybillError('LIMIT_EXCEEDED', `more than ${limits.objects} objects in the manifests`);
  refuseDoubles(loaded);
  return loaded;
}

/** Kubernetes reads YAML 1.1 (`defaultMode: 0644` is octal), but knows neither timestamps nor numbers to the base of 60. */
function kubernetesTags(tags: Tags): Tags {
  return tags.filter(
    (tag) => typeof tag === 'string' || !(tag.tag === 'tag:yaml.org,2002:timestamp' || ('format' in tag && tag.format === 'TIME')),
  );
}

function loadFile(file: string, text: string): LoadedObject[] {
  if (Buffer.byteLength(text) > limits.fileBytes) throw new WaybillError('LIMIT_EXCEEDED', `${file} is larger than 1 MiB`);
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, version: '1.1', customTags: kubernetesTags });
  return documents.flatMap((document) => {
    const problem = document.errors[0];
    if (problem)
      throw new WaybillError('INVALID_INPUT', `${file}:${problem.linePos?.[0].line ?? 1}: ${problem.message.split('\n')[0] ?? ''}`);
    refuseOddKeys(document, file, lines);
    const line = lines.linePos(document.contents?.range[0] ?? 0).line;
    const value = toValue(document, file, line);
    if (value === null || value === undefined) return [];
    return objectsOf(value, file, line);
  });
}

/** An unquoted `y`, `on` or `no` is a boolean in YAML 1.1, and as a key it would silently become another word. */
function refuseOddKeys(document: Document.Parsed, file: string, lines: LineCounter): void {
  visit(document, {
    Pair(_, { key }) {
      if (!isScalar(key) || typeof key.value !== 'boolean') return;
      const line = lines.linePos(key.range?.[0] ?? 0).line;
      throw new WaybillError('INVALID_INPUT', `${file}:${line}: the key ${key.source ?? ''} means ${key.value} in the YAML of Kubernetes`, {
        fix: `Put it in quotes: "${key.source ?? ''}".`,
      });
    },
  });
}

function toValue(document: Document.Parsed, file: string, line: number): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    checkPlain(value, 0);
    return value;
  } catch (cause) {
    if (cause instanceof WaybillError) throw new WaybillError(cause.code, `${file}:${line}: ${cause.detail}`, { cause });
    throw new WaybillError('INVALID_INPUT', `${file}:${line}: too many aliases, or none of what Kubernetes reads`, { cause });
  }
}

/** Nothing but JSON: no dates, sets or keys that mean something to JavaScript. */
function checkPlain(value: unknown, depth: number): void {
  if (depth > limits.depth) throw new WaybillError('LIMIT_EXCEEDED', `nested deeper than ${limits.depth} levels`);
  if (Array.isArray(value)) for (const entry of value) checkPlain(entry, depth + 1);
  else if (typeof value === 'object' && value !== null) {
    if (Object.getPrototypeOf(value) !== Object.prototype) throw new WaybillError('INVALID_INPUT', 'a value that is not JSON');
    for (const [key, entry] of Object.entries(value)) {
      if (key === '__proto__') throw new WaybillError('INVALID_INPUT', 'the key __proto__');
      checkPlain(entry, depth + 1);
    }
  } else if (!['string', 'number', 'boolean'].includes(typeof value) && value !== null)
    throw new WaybillError('INVALID_INPUT', 'a value that is not JSON');
}

function objectsOf(value: unknown, file: string, line: number): LoadedObject[] {
  if (isJsonObject(value) && isList(value)) return objectsAt(value, 'items').flatMap((item) => objectsOf(item, file, line));
  if (!isKubeObject(value))
    throw new WaybillError('INVALID_INPUT', `${file}:${line}: this is no Kubernetes object (apiVersion, kind and metadata.name)`, {
      fix: 'Add what is missing, or move the file out of the folder of manifests.',
    });
  return [{ object: value, file, line }];
}

function isList(value: JsonObject): boolean {
  return value['apiVersion'] === 'v1' && value['kind'] === 'List' && Array.isArray(value['items']);
}

function refuseDoubles(loaded: readonly LoadedObject[]): void {
  const seen = new Map<string, LoadedObject>();
  for (const entry of loaded) {
    const { apiVersion, kind, metadata } = entry.object;
    const key = `${apiVersion.split('/')[0]}/${kind}/${metadata.name}`;
    const first = seen.get(key);
    if (first)
      throw new WaybillError(
        'INVALID_INPUT',
        `${entry.file}:${entry.line}: ${kind} ${metadata.name} is there already, at ${first.file}:${first.line}`,
      );
    seen.set(key, entry);
  }
}
