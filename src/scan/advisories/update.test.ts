import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../kernel/clock.ts';
import { packageKey } from './advisory.ts';
import { databaseStates, openDatabase } from './database.ts';
import { folderSource } from './folder-source.ts';
import type { AdvisoryLimits } from './limits.ts';
import { updateDatabase, type EcosystemUpdate } from './update.ts';
import { writeZip, type ZipMember } from './zip.fixture.ts';

const record = (id: string, name: string, more: object = {}, ecosystem = 'npm') => ({
  schema_version: '1.6.0',
  id,
  modified: '2026-01-01T00:00:00Z',
  affected: [{ package: { ecosystem, name }, ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1.2.3' }] }] }],
  ...more,
});
const member = (id: string, name: string, more: object = {}): ZipMember => ({
  name: `${id}.json`,
  content: JSON.stringify(record(id, name, more)),
});

type Setting = {
  readonly source: string;
  readonly folder: string;
  readonly zip: (members: Iterable<ZipMember>, ecosystem?: string) => Promise<string>;
};

async function setting(t: TestContext): Promise<Setting> {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-advisories-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const source = path.join(root, 'source');
  const zip = async (members: Iterable<ZipMember>, ecosystem = 'npm') => {
    await mkdir(path.join(source, ecosystem), { recursive: true });
    const file = path.join(source, ecosystem, 'all.zip');
    await writeZip(file, members);
    return file;
  };
  return { source, folder: path.join(root, 'database'), zip };
}

async function update(
  { source, folder }: Setting,
  limits: Partial<AdvisoryLimits> = {},
  ecosystems?: readonly string[],
): Promise<readonly EcosystemUpdate[]> {
  return await updateDatabase({
    folder,
    source: folderSource(source),
    clock: systemClock,
    signal: AbortSignal.timeout(60_000),
    limits,
    ...(ecosystems === undefined ? {} : { ecosystems }),
  });
}

/** Ids about a package. */
async function idsOf(folder: string, name: string, ecosystem = 'npm'): Promise<readonly string[]> {
  using database = await openDatabase(folder);
  const index = database.ecosystems.get(ecosystem)?.index;
  return index?.packageAdvisories(packageKey('', name)).map(({ ref }) => index.advisory(ref).id) ?? [];
}

const failure = ([result]: readonly EcosystemUpdate[]) =>
  result?.outcome === 'failed' ? `${result.error.code}: ${result.error.detail}` : 'it did not fail';
const stateOf = ([result]: readonly EcosystemUpdate[]) => {
  assert.ok(result && result.outcome !== 'failed', failure(result ? [result] : []));
  return result.state;
};

suite('a database is made of what a source has', () => {
  test('what is about a package is found by its name, and nothing else is', async (t) => {
    const s = await setting(t);
    await s.zip([
      member('A-1', 'one'),
      member('A-2', 'two'),
      member('A-3', 'one'),
      member('A-4', 'gone', { withdrawn: '2026-01-02T00:00:00Z' }),
      { name: 'README.md', content: 'x' },
    ]);
    const state = stateOf(await update(s));
    assert.deepEqual([state.advisories, state.packages, state.skipped.count], [3, 2, 0]);
    assert.deepEqual(await idsOf(s.folder, 'one'), ['A-1', 'A-3']);
    for (const name of ['gone', 'three', '', '__proto__']) assert.deepEqual(await idsOf(s.folder, name), []);
  });

  test('its digest is that of its content, whatever the order, the archive and the time', async (t) => {
    const s = await setting(t);
    await s.zip([member('A-1', 'one'), member('A-2', 'two'), member('A-2', 'two', { modified: '2025-01-01T00:00:00Z', summary: 'older' })]);
    const first = stateOf(await update(s));
    await s.zip([
      member('A-2', 'two', { modified: '2025-01-01T00:00:00Z', summary: 'older' }),
      member('A-2', 'two'),
      member('A-1', 'one', { modified: '2026-05-05T00:00:00Z' }),
    ]);
    const again = await update(s);
    assert.equal(again[0]?.outcome, 'unchanged');
    assert.equal(stateOf(again).digest, first.digest);
    await s.zip([member('A-1', 'one'), member('A-2', 'two'), member('A-3', 'two')]);
    assert.notEqual(stateOf(await update(s)).digest, first.digest);
  });

  test('an archive that did not change is not read again; it is as old as its file, and never of the future', async (t) => {
    const s = await setting(t);
    const file = await s.zip([member('A-1', 'one')]);
    await utimes(file, new Date('2026-01-01T00:00:00Z'), new Date('2026-01-01T00:00:00Z'));
    const first = stateOf(await update(s));
    assert.equal(first.updatedAt, '2026-01-01T00:00:00.000Z');
    const second = await update(s);
    assert.deepEqual([second[0]?.outcome, stateOf(second).builtAt], ['unchanged', first.builtAt]);
    await utimes(file, new Date('2199-01-01'), new Date('2199-01-01'));
    assert.ok(Date.parse(stateOf(await update(s)).updatedAt) <= Date.now());
  });

  test('JSON files of several ecosystems in one folder', async (t) => {
    const s = await setting(t);
    await mkdir(path.join(s.source, 'a', 'b'), { recursive: true });
    const both = record('X-1', 'one');
    await writeFile(
      path.join(s.source, 'a', 'b', 'x.json'),
      JSON.stringify({ ...both, affected: [...both.affected, { package: { ecosystem: 'PyPI', name: 'Some_Thing' }, versions: ['1.0'] }] }),
    );
    const results = await update(s, {}, ['npm', 'PyPI']);
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['updated', 'updated'],
    );
    assert.deepEqual(await idsOf(s.folder, 'one'), ['X-1']);
    assert.deepEqual(await idsOf(s.folder, 'some-thing', 'PyPI'), ['X-1']);
  });

  test('an ecosystem without an order is refused, one that is not there fails alone', async (t) => {
    const s = await setting(t);
    await s.zip([member('A-1', 'one')]);
    await assert.rejects(update(s, {}, ['Nowhere']), { code: 'INVALID_INPUT' });
    const results = await update(s, {}, ['PyPI', 'npm']);
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['failed', 'updated'],
    );
    assert.match(failure(results), /NOT_FOUND/);
  });
});

suite('hostile and damaged sources', () => {
  test('a damaged advisory is named, and the others are there', async (t) => {
    const s = await setting(t);
    await s.zip([
      member('A-1', 'one'),
      { name: 'b.json', content: '{' },
      { name: 'c.json', content: JSON.stringify({ id: '../../x', modified: '' }) },
      { name: 'd.json', content: JSON.stringify(record('D-1', 'one', { schema_version: '2.0.0' })) },
      {
        name: 'e.json',
        content: JSON.stringify(
          record('E-1', 'one', {
            affected: [{ package: { ecosystem: 'npm', name: 'one' }, ranges: [{ type: 'SEMVER', events: [{ fixed: '1.0.0' }] }] }],
          }),
        ),
      },
      { ...member('F-1', 'one'), lie: { crc: 1 } },
      { ...member('G-1', 'one'), lie: { size: 9 } },
      { ...member('H-1', 'one'), lie: { method: 12 } },
      { ...member('I-1', 'one'), lie: { flags: 1 } },
      { name: 'j.json', content: Buffer.from([0xff, 0xfe, 0x7b]) },
      { name: 'k.json', content: `${'['.repeat(100_000)}` },
    ]);
    const { skipped, advisories } = stateOf(await update(s));
    assert.equal(advisories, 1);
    assert.deepEqual(
      skipped.named.map(({ name }) => name),
      ['F-1.json', 'G-1.json', 'H-1.json', 'I-1.json', 'b.json', 'c.json', 'd.json', 'e.json', 'j.json', 'k.json'],
    );
    assert.equal(skipped.count, 10);
  });

  test('a bomb is stopped where it says its size, and where it lies about it', async (t) => {
    const s = await setting(t);
    const zeros = Buffer.alloc(20_000_000, ' ');
    await s.zip([member('A-1', 'one'), { name: 'bomb.json', content: zeros }, { name: 'liar.json', content: zeros, lie: { size: 100 } }]);
    const { skipped } = stateOf(await update(s, { recordBytes: 1_000_000 }));
    assert.deepEqual(
      skipped.named.map(({ name }) => name),
      ['bomb.json', 'liar.json'],
    );
    await s.zip(Array.from({ length: 30 }, (_, at) => member(`A-${at}`, 'one', { details: 'x'.repeat(10_000) })));
    assert.match(failure(await update(s, { totalBytes: 100_000 })), /LIMIT_EXCEEDED: .*unpacks to more than/);
    assert.match(failure(await update(s, { entries: 10 })), /LIMIT_EXCEEDED: .*more than 10 files/);
    assert.match(failure(await update(s, { archiveBytes: 100 })), /LIMIT_EXCEEDED/);
    assert.deepEqual(await idsOf(s.folder, 'one'), ['A-1'], 'what was there before is still in use');
  });

  test('a name of an entry that leads elsewhere makes the whole archive refused, and writes nothing', async (t) => {
    const s = await setting(t);
    await s.zip([{ ...member('A-1', 'one'), name: '../../escaped.json' }]);
    assert.match(failure(await update(s)), /INVALID_INPUT/);
    assert.deepEqual(
      (await readdir(s.folder)).filter((name) => name.includes('escaped')),
      [],
    );
  });

  test('an archive that was cut off, is none, or holds nothing leaves what was there', async (t) => {
    const s = await setting(t);
    const file = await s.zip([member('A-1', 'one'), member('A-2', 'two')]);
    stateOf(await update(s));
    for (const spoil of [
      () => truncate(file, 200),
      () => writeFile(file, 'no zip'),
      () => writeFile(file, ''),
      () => s.zip([]),
      () => s.zip([{ name: 'x.json', content: '{}' }]),
    ]) {
      await spoil();
      assert.match(failure(await update(s)), /^INVALID_INPUT/);
      assert.deepEqual(await idsOf(s.folder, 'one'), ['A-1']);
    }
    assert.deepEqual(
      (await readdir(s.folder)).filter((name) => name.startsWith('.')),
      [],
      'nothing is left over',
    );
  });
});

suite('readers, and updates at the same time', () => {
  test('a reader keeps what it opened; whoever opens later sees the new', async (t) => {
    const s = await setting(t);
    await s.zip([member('A-1', 'one')]);
    await update(s);
    using before = await openDatabase(s.folder);
    await s.zip([member('A-2', 'one')]);
    await update(s);
    const index = before.ecosystems.get('npm')?.index;
    assert.deepEqual(
      index?.packageAdvisories(packageKey('', 'one')).map(({ ref }) => index.advisory(ref).id),
      ['A-1'],
    );
    assert.deepEqual(await idsOf(s.folder, 'one'), ['A-2']);
    assert.equal((await readdir(s.folder)).filter((name) => name.endsWith('.advisories')).length, 1);
  });

  test('several updates one after the other, with readers in between', async (t) => {
    const s = await setting(t);
    await s.zip([member('A-1', 'one')]);
    await update(s);
    const writing = new AbortController();
    const reading = (async () => {
      let reads = 0;
      for (; !writing.signal.aborted; reads++) {
        assert.equal((await idsOf(s.folder, 'one')).length, 1);
        await sleep(1);
      }
      return reads;
    })();
    for (let round = 2; round < 8; round++) {
      await s.zip([member(`A-${round}`, 'one')]);
      for (const result of await Promise.all([update(s), update(s), update(s)])) stateOf(result);
    }
    writing.abort();
    assert.ok((await reading) > 0);
    assert.deepEqual(await idsOf(s.folder, 'one'), ['A-7']);
  });

  test('the lock of a process that is gone holds nobody up', async (t) => {
    const s = await setting(t);
    await s.zip([member('A-1', 'one')]);
    await mkdir(s.folder);
    const gone = fork(path.join(import.meta.dirname, 'limits.ts'));
    await once(gone, 'exit');
    const { hostname } = await import('node:os');
    await writeFile(path.join(s.folder, 'update.lock'), JSON.stringify({ pid: gone.pid, host: hostname(), token: 'x' }));
    stateOf(await update(s));
  });

  test('killed at any moment, it is the old or the new, and the next update goes through', async (t) => {
    const s = await setting(t);
    const many = (version: string) =>
      Array.from({ length: 3_000 }, (_, at) => member(`A-${at}`, at === 0 ? 'one' : `p${at}`, { summary: version.repeat(50) }));
    const next = await s.zip(many('new'));
    const kept = path.join(path.dirname(s.source), 'new.zip');
    await cp(next, kept);
    await s.zip(many('old'));
    const old = stateOf(await update(s)).digest;
    await cp(kept, next);
    const program = path.join(path.dirname(s.source), 'update.mjs');
    await writeFile(
      program,
      `import { updateDatabase } from ${JSON.stringify(path.join(import.meta.dirname, 'update.ts'))};
       import { folderSource } from ${JSON.stringify(path.join(import.meta.dirname, 'folder-source.ts'))};
       process.send('ready');
       await updateDatabase({ folder: ${JSON.stringify(s.folder)}, source: folderSource(${JSON.stringify(s.source)}), clock: { now: () => new Date() }, signal: new AbortController().signal });
       process.send('done');`,
    );
    const seen = new Set<string>();
    for (let wait = 0; wait < 7; wait++) {
      const child = fork(program, { execArgv: ['--disable-warning=ExperimentalWarning'] });
      await once(child, 'message');
      const finished = once(child, 'message').then(
        () => true,
        () => true,
      );
      await Promise.race([sleep(wait * 70), finished]);
      child.kill('SIGKILL');
      await once(child, 'exit');
      const [state] = await databaseStates(s.folder);
      assert.ok(state);
      seen.add(state.digest === old ? 'old' : 'new');
      using database = await openDatabase(s.folder);
      const index = database.ecosystems.get('npm')?.index;
      let packages = 0;
      for (const { advisories } of index?.packages() ?? []) {
        packages++;
        for (const { ref } of advisories) index?.advisory(ref);
      }
      assert.equal(packages, 3_000, 'every package and advisory can be read');
      if (state.digest !== old) break;
    }
    assert.ok(seen.has('old'));
    assert.notEqual(stateOf(await update(s)).digest, old);
  });

  test('a change in the file on the disk is noticed, not taken for "no advisories"', async (t) => {
    const s = await setting(t);
    await s.zip([member('A-1', 'one')]);
    const { file } = stateOf(await update(s));
    const index = path.join(s.folder, file);
    const good = await readFile(index);
    for (let at = 0; at < good.length; at += 7) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x20;
      await writeFile(index, bad);
      await assert.rejects(idsOf(s.folder, 'one'), { code: 'STORE_FAILED' }, `byte ${at}`);
    }
    await truncate(index, good.length - 1);
    await assert.rejects(idsOf(s.folder, 'one'), { code: 'STORE_FAILED' });
    await writeFile(index, Buffer.from(good).fill(0, 100, 110));
    stateOf(await update(s));
    assert.deepEqual(await idsOf(s.folder, 'one'), ['A-1'], 'the next update mends it');
    await rm(index);
    await assert.rejects(idsOf(s.folder, 'one'), { code: 'STORE_FAILED' });
    stateOf(await update(s));
    assert.deepEqual(await idsOf(s.folder, 'one'), ['A-1'], 'and makes it anew when it is missing');
  });
});
