import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { openStore } from '../store/store.ts';
import { exportLedger } from './export.ts';
import { openLedger } from './ledger.ts';
import { leafHash, type Hash } from './merkle.ts';
import { ledgerMigrations } from './migrations.ts';
import { checkpointText, noteSigner } from './note.ts';
import { verifyExport } from './verify.ts';

const origin = 'waybill.test/ledger';
const clock = { now: () => new Date('2026-11-22T12:00:00Z') };
const newSigner = () =>
  noteSigner(origin, new Secret(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()));
const signer = newSigner();
const trust = { verifierKeys: [signer.verifierKey] };

/** 30 entries with checkpoints at 10, 20 and 25, exported. Line 0 is the beginning. */
async function exported(count = 30): Promise<string[]> {
  await using store = openStore(':memory:');
  await store.migrate(ledgerMigrations);
  const ledger = await openLedger(store, clock, origin);
  for (let i = 0; i < count; i += 1) {
    await ledger.append({ kind: 'admin', subject: [`s${i}`], body: { number: i, text: 'päper\n"' } });
    if ([10, 20, 25].includes(i + 1)) await ledger.checkpoint(async (head) => signer.sign(checkpointText(head)));
  }
  return await Array.fromAsync(exportLedger(store, [signer.verifierKey]));
}

const lines = await exported();
const at = (index: number) => lines.findIndex((line) => line.includes(`"type":"entry","index":${index},`));
const checkpointAt = (number: number) => lines.flatMap((line, i) => (line.includes('"type":"checkpoint"') ? [i] : []))[number] ?? -1;
const noteOf = (line: string | undefined) => String((JSON.parse(line ?? '{}') as { note?: string }).note);
/** Rewrites entry `index` well: leaf and hash agree. Only a checkpoint can tell. */
const rewritten = (index: number) => {
  const entry = JSON.parse(lines[at(index)] ?? '') as { leaf: string };
  const leaf = entry.leaf.replace('"number":', '"number":9');
  return `${JSON.stringify({ ...entry, leaf, hash: leafHash(leaf) })}\n`;
};

test('a whole ledger verifies, in whatever pieces it comes', async () => {
  const verified = await verifyExport(lines, trust);
  assert.deepEqual(
    [verified.origin, verified.size, verified.checkpoints, verified.latest?.size, verified.uncovered],
    [origin, 30, 3, 25, 5],
  );
  const text = lines.join('');
  assert.deepEqual(await verifyExport(text.match(/[^]{1,7}/gu) ?? [], trust), verified);
});

test('an empty ledger verifies', async () => {
  assert.equal((await verifyExport(await exported(0), trust)).size, 0);
});

const attacks: [string, string[], RegExp][] = [
  ['an entry was changed', lines.with(at(7), (lines[at(7)] ?? '').replace('\\"number\\":7', '\\"number\\":8')), /entry 7 was changed/],
  ['an entry was changed and its hash too', lines.with(at(13), rewritten(13)), /entries 10 to 19 .*checkpoint of 20/],
  ['an entry was removed', lines.toSpliced(at(4), 1), /entry 4 is missing.*entry 5/],
  ['the last covered entry was removed', lines.toSpliced(at(24), 1), /checkpoint of 25 entries stands after 24/],
  [
    'two entries were exchanged',
    lines.with(at(3), lines[at(4)] ?? '').with(at(4), lines[at(3)] ?? ''),
    /entry 3 is missing or out of order: entry 4/,
  ],
  ['an entry was renumbered', lines.with(at(3), (lines[at(4)] ?? '').replace('"index":4', '"index":3')), /entry 3 says that it is entry 4/],
  ['an entry was doubled', lines.toSpliced(at(3), 0, lines[at(3)] ?? ''), /entry 4 is missing or out of order: entry 3/],
  [
    'an entry was inserted before a checkpoint',
    lines.toSpliced(checkpointAt(2), 0, lines[at(25)] ?? ''),
    /checkpoint of 25 entries stands after 26/,
  ],
  ['white space in a leaf', lines.with(at(2), (lines[at(2)] ?? '').replace('{\\"at\\"', '{ \\"at\\"')), /entry 2 is not in canonical form/],
  ['a leaf of another shape', lines.with(at(2), (lines[at(2)] ?? '').replace('\\"kind\\"', '\\"kund\\"')), /entry 2 cannot be read/],
  ['a line is not JSON', lines.with(at(2), '{'), /entry 2 was expected/],
  ['no beginning', lines.slice(1), /does not begin/],
  ['two beginnings', lines.toSpliced(5, 0, lines[0] ?? ''), /line 6: a second beginning/],
  ['nothing', [], /empty/],
  [
    'a checkpoint by another key',
    lines.with(
      checkpointAt(1),
      `${JSON.stringify({ type: 'checkpoint', note: newSigner().sign(noteOf(lines[checkpointAt(1)]).split('\n\n')[0] + '\n') })}\n`,
    ),
    /no key that is trusted/,
  ],
  [
    'a checkpoint with another root',
    lines.with(
      checkpointAt(0),
      `${JSON.stringify({ type: 'checkpoint', note: noteOf(lines[checkpointAt(0)]).replace(/\n(.{43}=)\n/, `\n${Buffer.alloc(32).toString('base64')}\n`) })}\n`,
    ),
    /signature by .* is wrong/,
  ],
  [
    'a checkpoint of another ledger',
    lines.with(
      checkpointAt(0),
      `${JSON.stringify({ type: 'checkpoint', note: signer.sign(checkpointText({ origin: 'other', size: 10, root: leafHash('') })) })}\n`,
    ),
    /of the ledger other/,
  ],
  ['a checkpoint at another place', lines.with(checkpointAt(0), lines[checkpointAt(1)] ?? ''), /checkpoint of 20 entries stands after 10/],
];
for (const [what, tampered, message] of attacks)
  test(`found: ${what}`, async () => {
    await assert.rejects(verifyExport(tampered, trust), (e) => {
      assert.ok(isWaybillError(e, 'LEDGER_BROKEN'), String(e));
      assert.match(e.message, message);
      return true;
    });
  });

test('found: a ledger rolled back to an older checkpoint, by a checkpoint that was kept elsewhere', async () => {
  const rolledBack = lines.slice(0, checkpointAt(1) + 1);
  await verifyExport(rolledBack, trust);
  await assert.rejects(
    verifyExport(rolledBack, { ...trust, witnessed: [noteOf(lines[checkpointAt(2)])] }),
    /entry 20 is missing: .* rolled back/,
  );
});

test('found: history rewritten and signed anew with the stolen key, by a checkpoint that was kept elsewhere', async () => {
  const forged = lines.with(at(3), rewritten(3)).filter((line) => !line.includes('"type":"checkpoint"'));
  await verifyExport(forged, trust);
  await assert.rejects(verifyExport(forged, { ...trust, witnessed: [noteOf(lines[checkpointAt(0)])] }), /entries before 10 are not those/);
});

test('found: an entry appended behind the last checkpoint, when all must be covered', async () => {
  await assert.rejects(verifyExport(lines, { ...trust, covered: true }), /entry 25 and what follows is covered by no checkpoint/);
});

test('found: a bad entry in the table itself, through its export', async () => {
  await using store = openStore(':memory:');
  await store.migrate(ledgerMigrations);
  const ledger = await openLedger(store, clock, origin);
  for (let i = 0; i < 5; i += 1) await ledger.append({ kind: 'admin', body: i });
  await ledger.checkpoint(async (head) => signer.sign(checkpointText(head)));
  const db = store.as<{ ledger_entry: { idx: number; leaf: string }; ledger_node: { level: number; idx: number; hash: Hash } }>();
  const leaf = (await db.selectFrom('ledger_entry').select('leaf').where('idx', '=', 2).executeTakeFirstOrThrow()).leaf;
  await db
    .updateTable('ledger_entry')
    .set({ leaf: leaf.replace('"body":2', '"body":7') })
    .where('idx', '=', 2)
    .execute();
  await assert.rejects(verifyExport(exportLedger(store), trust), /entry 2 was changed/);
  await db.deleteFrom('ledger_node').where('level', '=', 0).where('idx', '=', 1).execute();
  await assert.rejects(verifyExport(exportLedger(store), trust), /entry 1 is missing/);
});
