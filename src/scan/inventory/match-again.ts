import { setImmediate as breathe } from 'node:timers/promises';
import type { Selectable } from 'kysely';
import type { Clock } from '../../kernel/clock.ts';
import type { AdvisoryDatabase } from '../advisories/database.ts';
import { matchComponents } from '../advisories/match.ts';
import type { Component } from '../component.ts';
import type { VulnerabilityFinding } from '../finding.ts';
import { chunks, type InventoryDb, type InventoryTables } from './tables.ts';

export type MatchedAgain = { readonly components: number; readonly appeared: number; readonly gone: number };

const atOnce = 250;

type Row = Selectable<InventoryTables['inventory_component']>;

/**
 * Looks up again what was last looked up in other advisories; what is in no image any more is left alone. Each batch is written whole, with the digest of the
 * advisories that it was looked up in: cut off anywhere, the next call goes on there. What appears in a component that was looked up before is news.
 * An ecosystem without advisories leaves what is known about it as it is.
 */
export async function matchAgain(db: InventoryDb, clock: Clock, database: AdvisoryDatabase, signal: AbortSignal): Promise<MatchedAgain> {
  const sum = { components: 0, appeared: 0, gone: 0 };
  for (const [base, { state }] of database.ecosystems) {
    for (let after = 0; ;) {
      signal.throwIfAborted();
      const rows = await db
        .selectFrom('inventory_component')
        .selectAll()
        .where((where) => where.or([where('ecosystem', '=', base), where('ecosystem', 'like', `${base}:%`)]))
        .where('matched', '!=', state.digest)
        .where('id', '>', after)
        .where((where) =>
          where.exists(where.selectFrom('inventory_content').select('image').whereRef('component', '=', 'inventory_component.id')),
        )
        .orderBy('id')
        .limit(atOnce)
        .execute();
      const last = rows.at(-1);
      if (!last) break;
      after = last.id;
      const { findings } = await matchComponents({ inventory: inventoryOf(rows), database, signal });
      const done = await writeBatch(db, rows, findings, state.digest, clock.now().toISOString());
      sum.components += rows.length;
      sum.appeared += done.appeared;
      sum.gone += done.gone;
      await breathe();
    }
  }
  return sum;
}

/** Two components may share a purl and differ in what they were made from: the ids tell them apart. */
function inventoryOf(rows: readonly Row[]) {
  const components = rows.map((row): Component => ({
    purl: String(row.id),
    ecosystem: row.ecosystem,
    name: row.name,
    version: row.version,
    ...(row.source_name === '' ? {} : { source: { name: row.source_name, version: row.source_version } }),
    scope: 'runtime',
    hashes: [],
    places: [],
  }));
  return { components, needs: new Map<string, readonly string[]>() };
}

async function writeBatch(
  db: InventoryDb,
  rows: readonly { readonly id: number; readonly matched: string }[],
  findings: readonly VulnerabilityFinding[],
  digest: string,
  now: string,
): Promise<{ readonly appeared: number; readonly gone: number }> {
  const ids = rows.map(({ id }) => id);
  const lookedUpBefore = new Set(rows.flatMap(({ id, matched }) => (matched === '' ? [] : [id])));
  return db.transaction().execute(async (trx) => {
    const before = await trx
      .selectFrom('inventory_finding')
      .select(['component', 'advisory', 'severity', 'title', 'fixed'])
      .where('component', 'in', ids)
      .execute();
    const keyOf = (component: number, advisory: string) => `${component} ${advisory}`;
    const gone = new Map(before.map((row) => [keyOf(row.component, row.advisory), row]));
    const fresh: {
      component: number;
      advisory: string;
      severity: VulnerabilityFinding['severity'];
      title: string;
      fixed: string;
      first_seen: string;
      news: number;
      told_at: null;
    }[] = [];
    const names: { name: string; advisory: string }[] = [];
    const changed = new Set<number>();
    for (const finding of findings) {
      const component = Number(finding.purl);
      const said = { severity: finding.severity, title: finding.title.slice(0, 300), fixed: JSON.stringify(finding.fixed.slice(0, 20)) };
      const key = keyOf(component, finding.id);
      const old = gone.get(key);
      gone.delete(key);
      for (const name of [finding.id, ...finding.aliases.slice(0, 100)]) names.push({ name: name.toLowerCase(), advisory: finding.id });
      if (!old)
        fresh.push({
          component,
          advisory: finding.id,
          ...said,
          first_seen: now,
          news: lookedUpBefore.has(component) ? 1 : 0,
          told_at: null,
        });
      else if (old.severity !== said.severity || old.title !== said.title || old.fixed !== said.fixed) {
        changed.add(component);
        await trx
          .updateTable('inventory_finding')
          .set(said)
          .where('component', '=', component)
          .where('advisory', '=', finding.id)
          .execute();
      }
    }
    for (const { component } of [...fresh, ...gone.values()]) changed.add(component);
    for (const { component, advisory } of gone.values())
      await trx.deleteFrom('inventory_finding').where('component', '=', component).where('advisory', '=', advisory).execute();
    for (const some of chunks(fresh, 100))
      await trx
        .insertInto('inventory_finding')
        .values(some)
        .onConflict((conflict) => conflict.columns(['component', 'advisory']).doNothing())
        .execute();
    for (const some of chunks(names, 200))
      await trx
        .insertInto('inventory_advisory_name')
        .values(some)
        .onConflict((conflict) => conflict.columns(['name', 'advisory']).doNothing())
        .execute();
    await trx.updateTable('inventory_component').set({ matched: digest }).where('id', 'in', ids).execute();
    // The first look at a component is that of its image, and changes nothing.
    const later = [...changed].filter((id) => lookedUpBefore.has(id));
    if (later.length > 0) await trx.updateTable('inventory_component').set({ changed_at: now }).where('id', 'in', later).execute();
    return { appeared: fresh.length, gone: gone.size };
  });
}
