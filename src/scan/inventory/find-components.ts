import { isWaybillError, type WaybillError } from '../../kernel/error.ts';
import { splitEcosystem } from '../advisories/ecosystems.ts';
import type { Severity } from '../severity.ts';
import type { InventoryDb } from './tables.ts';
import { parseRange, type VersionRange } from './version-range.ts';
import { isNamed, spellingsOf, type Wanted } from './wanted.ts';

export type FoundComponent = {
  readonly id: number;
  readonly purl: string;
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
  /** The source package, `openssl 3.0.11-1`, where it was found by that. */
  readonly source?: string;
  /** What advisories say; when one was asked for. */
  readonly advisory?: { readonly id: string; readonly severity: Severity; readonly fixed: readonly string[]; readonly firstSeen: string };
};

export type FoundComponents = {
  readonly components: readonly FoundComponent[];
  /** Of that name, but with a version that cannot be compared: it may be one of them. */
  readonly unclear: readonly FoundComponent[];
  readonly notes: readonly string[];
};

type Row = {
  readonly id: number;
  readonly purl: string;
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
  readonly source_name: string;
  readonly source_version: string;
};

/** Components that some image has. @throws WaybillError INVALID_INPUT when its range means nothing in any ecosystem that has the package */
export async function findComponents(db: InventoryDb, wanted: Wanted): Promise<FoundComponents> {
  return wanted.kind === 'advisory' ? ofAdvisory(db, wanted.name) : ofPackage(db, wanted);
}

async function ofPackage(db: InventoryDb, wanted: Extract<Wanted, { kind: 'package' }>): Promise<FoundComponents> {
  const names = spellingsOf(wanted);
  const select = () => db.selectFrom('inventory_component').selectAll().where('ecosystem', '!=', '');
  const byName = await select().where('name', 'in', names).execute();
  const bySource = await select().where('source_name', 'in', names).execute();
  const rows = [...new Map([...byName, ...bySource].map((row): [number, Row] => [row.id, row])).values()];
  const ranges = new RangesOf(wanted.range, wanted.ecosystem);
  const components: FoundComponent[] = [];
  const unclear: FoundComponent[] = [];
  for (const row of rows) {
    const own = isNamed(wanted, row);
    const source = !own && isNamed(wanted, { ecosystem: row.ecosystem, name: row.source_name });
    if (!own && !source) continue;
    const held = ranges.of(row.ecosystem)?.(source ? row.source_version : row.version);
    if (held === 'inside') components.push(told(row, source));
    else if (held === 'unknown') unclear.push(told(row, source));
  }
  const notes = ranges.notes();
  return { components: components.sort(byPurl), unclear: unclear.sort(byPurl), notes };
}

async function ofAdvisory(db: InventoryDb, name: string): Promise<FoundComponents> {
  const rows = await db
    .selectFrom('inventory_advisory_name as named')
    .innerJoin('inventory_finding as finding', 'finding.advisory', 'named.advisory')
    .innerJoin('inventory_component as component', 'component.id', 'finding.component')
    .selectAll('component')
    .select(['finding.advisory as advisory', 'finding.severity as severity', 'finding.fixed as fixed', 'finding.first_seen as first_seen'])
    .where('named.name', '=', name.toLowerCase())
    .execute();
  const components = rows.map((row) => ({
    ...told(row, row.source_name !== '' && row.source_name !== row.name),
    advisory: { id: row.advisory, severity: row.severity, fixed: JSON.parse(row.fixed) as string[], firstSeen: row.first_seen },
  }));
  const once = new Map(components.map((component) => [component.id, component]));
  return { components: [...once.values()].sort(byPurl), unclear: [], notes: [] };
}

function told({ id, purl, ecosystem, name, version, source_name, source_version }: Row, bySource: boolean): FoundComponent {
  return { id, purl, ecosystem, name, version, ...(bySource ? { source: `${source_name} ${source_version}` } : {}) };
}

const byPurl = (a: FoundComponent, b: FoundComponent) => (a.purl < b.purl ? -1 : a.purl > b.purl ? 1 : a.id - b.id);

/** The range as each ecosystem reads it. Where none was named, one that cannot read it is passed over, and told. */
class RangesOf {
  readonly #known = new Map<string, VersionRange | WaybillError>();
  readonly #text: string | undefined;

  constructor(text: string | undefined, ecosystem: string | undefined) {
    this.#text = text;
    if (text !== undefined && ecosystem !== undefined) this.#known.set(ecosystem, parseRange(text, ecosystem));
  }

  of(ecosystem: string): VersionRange | undefined {
    const { base } = splitEcosystem(ecosystem);
    if (this.#text === undefined) return () => 'inside';
    let range = this.#known.get(base);
    if (!range) {
      range = attempt(this.#text, base);
      this.#known.set(base, range);
    }
    return typeof range === 'function' ? range : undefined;
  }

  /** @throws the reason when nobody could read it */
  notes(): readonly string[] {
    const failed = [...this.#known].flatMap(([base, range]) => (typeof range === 'function' ? [] : [{ base, error: range }]));
    // Nobody has such a package: what nobody at all could read is refused all the same.
    if (this.#text !== undefined && this.#known.size === 0) parseRange(this.#text, 'npm');
    const [first] = failed;
    if (first && failed.length === this.#known.size) throw first.error;
    return failed.map(({ base, error }) => `${base} has a package of that name, but ${error.detail}; it was left out.`);
  }
}

function attempt(text: string, base: string): VersionRange | WaybillError {
  try {
    return parseRange(text, base);
  } catch (error) {
    if (isWaybillError(error, 'INVALID_INPUT')) return error;
    throw error;
  }
}
