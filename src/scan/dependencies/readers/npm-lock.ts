import type { Component } from '../../component.ts';
import type { Skipped } from '../../coverage.ts';
import { Budget } from '../budget.ts';
import { hashesOf } from '../integrity.ts';
import { decode, entries, field, mustBeMap, object, parseJson, text, type Json } from '../json.ts';
import { keyLines, placeOf } from '../lines.ts';
import { below } from '../projects.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader, type Reading } from '../reader.ts';

/**
 * npm's package-lock.json and npm-shrinkwrap.json, lockfileVersion 1 to 3 (docs.npmjs.com, "package-lock.json"). Also the hidden lock of an installed
 * tree, `node_modules/.package-lock.json`.
 */
export const npmLock: Reader = {
  what: 'package-lock.json',
  wants: (path) => ['package-lock.json', 'npm-shrinkwrap.json'].includes(baseName(path)) && !/(?:^|\/)node_modules\//.test(path),
  limit: lockLimit,
  read(bytes, path) {
    const lock = object(parseJson(bytes));
    const lines = keyLines(decode(bytes));
    for (const name of ['packages', 'dependencies']) mustBeMap(lock, name);
    const packages = field(lock, 'packages');
    if (packages !== undefined) return readPackages(object(packages), path, lines);
    if (field(lock, 'dependencies') !== undefined || field(lock, 'lockfileVersion') === 1) return readTree(lock, path, lines);
    if (typeof field(lock, 'lockfileVersion') === 'number') return { components: [], needs: [], skipped: [] };
    throw new Error('it is no lock file of npm');
  },
};

type Lines = ReturnType<typeof keyLines>;

const dependencyFields = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'] as const;

/** Versions 2 and 3: a map from folders (`node_modules/a/node_modules/b`, `packages/web`) to what is in them. */
function readPackages(packages: Json, path: string, lines: Lines): Reading {
  const root = projectOf(path);
  const components: Component[] = [];
  const skipped: Skipped[] = [];
  const idOf = new Map<string, string>();
  for (const [folder, value] of entries(packages)) {
    const marker = folder.lastIndexOf('node_modules/');
    if (marker === -1) {
      // The root and the workspaces are projects of the tree.
      idOf.set(folder, below(root, folder));
      continue;
    }
    if (field(value, 'link') === true) continue;
    const name = text(value, 'name') ?? folder.slice(marker + 'node_modules/'.length);
    const version = text(value, 'version');
    const component = npmComponent(name, version, value, placeOf(path, lines(folder)));
    if ('problem' in component) {
      if (component.problem !== '')
        skipped.push({ path: `${path} → ${folder.slice(0, 200)}`, reason: 'unknown-format', detail: component.problem });
      continue;
    }
    components.push(component);
    idOf.set(folder, component.purl);
  }
  const budget = new Budget();
  const needs = [...idOf].map(([folder, id]): [string, string[]] => {
    const names = dependencyFields.flatMap((kind) =>
      kind === 'devDependencies' && folder.includes('node_modules/') ? [] : entries(field(packages[folder], kind)).map(([name]) => name),
    );
    return [id, [...new Set(names)].flatMap((name) => resolve(packages, folder, name, idOf, budget))];
  });
  return { components, needs, skipped };
}

/** As Node finds a package from a folder: upwards through `node_modules`. */
function resolve(packages: Json, from: string, name: string, idOf: ReadonlyMap<string, string>, budget: Budget): readonly string[] {
  for (let folder: string | undefined = from; folder !== undefined; folder = parent(folder)) {
    const at = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    budget.spend(at.length);
    const target = Object.hasOwn(packages, at) ? packages[at] : undefined;
    if (target === undefined) continue;
    const link = field(target, 'link') === true ? text(target, 'resolved') : undefined;
    const id = idOf.get(link ?? at);
    return id === undefined ? [] : [id];
  }
  return [];
}

function parent(folder: string): string | undefined {
  if (folder === '') return undefined;
  const nested = folder.lastIndexOf('/node_modules/');
  if (nested !== -1) return folder.slice(0, nested);
  if (folder.startsWith('node_modules/')) return '';
  const slash = folder.lastIndexOf('/');
  return slash === -1 ? '' : folder.slice(0, slash);
}

/** Version 1: a tree of `dependencies`; what a package needs is in `requires`. Direct ones are not marked: those that nobody requires are. */
function readTree(lock: Json, path: string, lines: Lines): Reading {
  const components: Component[] = [];
  const skipped: Skipped[] = [];
  const needs: [string, string[]][] = [];
  const required = new Set<string>();
  type Level = { readonly own: ReadonlyMap<string, string>; readonly up: Level | undefined };
  const find = (level: Level | undefined, name: string): string | undefined => {
    for (let at = level; at; at = at.up) {
      const id = at.own.get(name);
      if (id !== undefined) return id;
    }
    return undefined;
  };
  const visit = (dependencies: unknown, up: Level | undefined): Level => {
    const own = new Map<string, string>();
    const level = { own, up };
    for (const [name, value] of entries(dependencies)) {
      const component = npmComponent(name, text(value, 'version'), value, placeOf(path, lines(name)));
      if ('problem' in component) {
        if (component.problem !== '')
          skipped.push({ path: `${path} → ${name.slice(0, 200)}`, reason: 'unknown-format', detail: component.problem });
        continue;
      }
      components.push(component);
      own.set(name, component.purl);
    }
    for (const [name, value] of entries(dependencies)) {
      const id = own.get(name);
      const below = field(value, 'dependencies') === undefined ? level : visit(field(value, 'dependencies'), level);
      if (id === undefined) continue;
      const targets = entries(field(value, 'requires')).flatMap(([needed]) => find(below, needed) ?? []);
      for (const target of targets) required.add(target);
      needs.push([id, targets]);
    }
    return level;
  };
  const top = visit(field(lock, 'dependencies'), undefined);
  needs.unshift([projectOf(path), [...top.own.values()].filter((id) => !required.has(id))]);
  return { components, needs, skipped };
}

/** `problem` is empty for what is of the tree itself: a folder or a link. */
function npmComponent(
  name: string,
  version: string | undefined,
  value: unknown,
  place: Component['places'][number],
): Component | { readonly problem: string } {
  const alias = version?.startsWith('npm:') ? version.slice('npm:'.length) : undefined;
  if (alias !== undefined)
    return npmComponent(alias.slice(0, alias.lastIndexOf('@')), alias.slice(alias.lastIndexOf('@') + 1), value, place);
  if (version === undefined || version.startsWith('file:') || version.startsWith('link:')) {
    const from = text(value, 'resolved') ?? version ?? '';
    return { problem: /^(?:file|link):/.test(from) ? '' : `it has no version${from === '' ? '' : ` (${from.slice(0, 200)})`}` };
  }
  // A commit of a repository has no version that advisories speak of.
  if (/^(?:git|github|gitlab|bitbucket|https?)[:+]/.test(version))
    return { problem: `it comes from ${version.slice(0, 200)}, and has no version of the registry` };
  return {
    purl: purlOf('npm', name, version),
    ecosystem: 'npm',
    name,
    version,
    scope:
      field(value, 'dev') === true
        ? 'development'
        : field(value, 'optional') === true || field(value, 'devOptional') === true
          ? 'optional'
          : 'runtime',
    hashes: hashesOf(field(value, 'integrity')),
    places: [place],
  };
}
