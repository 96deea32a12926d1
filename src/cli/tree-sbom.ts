import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'smol-toml';
import { isGap, type Coverage } from '../scan/coverage.ts';
import type { Inventory } from '../scan/component.ts';
import type { VulnerabilityFinding, Finding } from '../scan/finding.ts';
import { field, parseJson, text } from '../scan/dependencies/json.ts';
import { sbomOf, type SbomSubject } from '../scan/sbom/cyclonedx.ts';
import type { CliContext } from './context.ts';
import type { ScannedTree } from './scanned-tree.ts';

/** The list of components of a tree: the same tree gives the same bytes, whenever it is made. */
export async function treeSbom(
  context: CliContext,
  tree: ScannedTree,
  of: { readonly inventory: Inventory; readonly coverage: Pick<Coverage, 'skipped'>; readonly findings?: readonly Finding[] },
): Promise<string> {
  const vulnerabilities = of.findings?.filter((finding): finding is VulnerabilityFinding => finding.kind === 'vulnerability');
  return sbomOf({
    inventory: of.inventory,
    subject: await subjectOf(tree.folder),
    scanner: `waybill ${context.version}`,
    gaps: of.coverage.skipped.filter(isGap),
    ...(vulnerabilities === undefined ? {} : { vulnerabilities }),
  });
}

type Named = Pick<SbomSubject, 'name' | 'version'>;
const largestManifest = 4 * 1024 * 1024;

/** Manifests that give a project its name, the first that does so; read leniently, for a name is all that hangs on them. */
const manifests: readonly (readonly [file: string, read: (bytes: Buffer) => Named | undefined])[] = [
  ['package.json', (bytes) => named(parseJson(bytes))],
  ['pyproject.toml', (bytes) => toml(bytes, 'project') ?? named(field(field(parse(bytes.toString('utf8')), 'tool'), 'poetry'))],
  ['Cargo.toml', (bytes) => toml(bytes, 'package')],
  ['go.mod', (bytes) => nameOnly(/^[ \t]*module[ \t]+["`]?([^\s"`]+)/m.exec(bytes.toString('utf8'))?.[1])],
  ['composer.json', (bytes) => named(parseJson(bytes))],
];

async function subjectOf(folder: string): Promise<SbomSubject> {
  for (const [file, read] of manifests) {
    try {
      const bytes = await readFile(path.join(folder, file));
      const found = bytes.length > largestManifest ? undefined : read(bytes);
      if (found) return { type: 'application', ...found };
    } catch {
      // It is not there or is none of these; the next one, or the folder, gives the name.
    }
  }
  return { type: 'application', name: path.basename(folder) || 'root' };
}

function toml(bytes: Buffer, table: string): Named | undefined {
  return named(field(parse(bytes.toString('utf8')), table));
}

function named(value: unknown): Named | undefined {
  const [name, version] = [text(value, 'name'), text(value, 'version')];
  return name === undefined || name === '' ? undefined : { name, ...(version === undefined || version === '' ? {} : { version }) };
}

function nameOnly(name: string | undefined): Named | undefined {
  return name === undefined ? undefined : { name };
}
