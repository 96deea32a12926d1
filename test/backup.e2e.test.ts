import assert from 'node:assert/strict';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { execa } from 'execa';
import { extract, pack } from 'tar-stream';
import { endpoints } from '../src/api/endpoints.ts';
import { must, mustRefuse } from '../scripts/demo/person.ts';
import { deliver, ended, isOver, logLines, newRepository, passed, propose } from './kit/repository.ts';
import { openWaybill, type Waybill } from './kit/waybill.ts';

const limit = { timeout: 300_000 };
const pipeline1 = `version: 1
defaults: { network: none, timeout: 1m }
stages:
  - { name: lint, on: [change], steps: [{ run: cat README.md }] }
images:
  - { name: note, layers: [{ from: README.md, to: /README.md }] }
`;

/** All that people can ask a Waybill about, of everything that had ended by then. */
async function everything(waybill: Waybill, upTo: { readonly run: number; readonly change: number }): Promise<unknown> {
  const { api } = waybill.dana;
  const rows = (await api.call(endpoints.listRuns, { query: { limit: 1000 } })).filter((row) => row.id <= upTo.run);
  const runs = await Promise.all(rows.map((row) => api.call(endpoints.showRun, { params: { id: row.id } })));
  const logs: Record<string, string[]> = {};
  for (const { id } of rows)
    for (const name of await api.call(endpoints.listLogs, { params: { id } }))
      logs[`${id} ${name.join('/')}`] = await logLines(waybill.dana, id, name.join('/'));
  const digests = runs.flatMap((run) => run.images.flatMap((image) => (image.digest === undefined ? [] : [image.digest])));
  const papers = await Promise.all(
    digests.map(async (name) => (await api.call(endpoints.showPapers, { params: { name } })).papers.map((paper) => paper.bundle)),
  );
  const changes = (await api.call(endpoints.listChanges)).filter((change) => change.id <= upTo.change);
  return { runs, logs, papers, changes, people: await api.call(endpoints.listPeople), keys: await api.call(endpoints.keys) };
}

async function retar(from: string, to: string, rename: (name: string) => string, link?: string): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, createWriteStream(to));
  const reader = extract();
  const reading = pipeline(createReadStream(from), reader);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    tar.entry({ ...entry.header, name: rename(entry.header.name) }, Buffer.concat(chunks));
  }
  await reading;
  if (link !== undefined) tar.entry({ name: 'link', type: 'symlink', linkname: link });
  tar.finalize();
  await written;
}

test('a backup of a Waybill at work, and what is made of it', limit, async (t) => {
  await using waybill = await openWaybill();
  const { admin, dana, signal, scratch, data, url } = waybill;
  await newRepository(waybill, 'notes', { 'README.md': 'one\n', 'waybill.yaml': pipeline1 });
  const run = await passed(dana, await deliver(waybill, 'notes', { 'README.md': 'two\n' }, 'two'));
  const [change] = await dana.api.call(endpoints.listChanges);
  const upTo = { run: run.id, change: change?.id ?? 0 };
  const reference = run.images[0]?.reference ?? '';
  const before = await everything(waybill, upTo);
  const file = path.join(scratch, 'backup.tar');
  const restored = path.join(scratch, 'restored');

  await t.test('backups while pushes and merges go on', async () => {
    const busy = new AbortController();
    const work = (async () => {
      for (let round = 0; !busy.signal.aborted; round += 1)
        await deliver(waybill, 'notes', { [`file-${round}`]: `${round}\n` }, `round-${round}`);
    })();
    try {
      for (const name of ['first.tar', 'second.tar', 'backup.tar'])
        await must(admin.waybill('backup', '--data', data, '--to', path.join(scratch, name)));
    } finally {
      busy.abort();
      await work;
    }
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(
      (await readdir(scratch)).filter((name) => name.startsWith('.waybill')),
      [],
    );
  });

  await t.test('a file that is there is not overwritten', async () => {
    const { size, mtimeMs } = await stat(file);
    await mustRefuse(admin.waybill('backup', '--data', data, '--to', file), /error[^]*fix/);
    assert.deepEqual([(await stat(file)).size, (await stat(file)).mtimeMs], [size, mtimeMs]);
  });

  await waybill.stop('SIGTERM');
  for (const name of ['first.tar', 'second.tar', 'backup.tar'])
    await t.test(`the Waybill of ${name} is whole`, async (t) => {
      const folder = name === 'backup.tar' ? restored : path.join(scratch, `from-${name}`);
      await must(admin.waybill('restore', '--data', folder, '--from', path.join(scratch, name)));
      await waybill.start(folder);
      t.after(() => waybill.stop('SIGTERM'));
      const rows = await dana.api.call(endpoints.listRuns, { query: { limit: 1000 } });
      await Promise.all(rows.map((row) => ended(dana, row.id, signal)));
      assert.deepEqual(await everything(waybill, upTo), before);
      await must(dana.waybill('verify', reference));

      // Every merge that its database knows is in its repository, and the tip is the newest of them.
      const clone = path.join(scratch, `clone-${name}`);
      await must(dana.git(scratch, 'clone', '-q', `${url}/git/notes.git`, clone));
      const changes = await dana.api.call(endpoints.listChanges);
      const merged = changes.flatMap((each) => (each.merge ? [each.merge.commit] : []));
      assert.ok(merged.length > 0);
      for (const commit of merged) await must(dana.git(clone, 'merge-base', '--is-ancestor', commit, 'HEAD'));
      assert.ok(merged.includes((await must(dana.git(clone, 'rev-parse', 'HEAD'))).trim()));
      for (const repository of (await readdir(path.join(folder, 'repositories'))).filter((each) => each.endsWith('.git'))) {
        const checked = await execa('git', ['fsck', '--full', '--strict', '--no-dangling'], {
          cwd: path.join(folder, 'repositories', repository),
          all: true,
          reject: false,
        });
        assert.equal(checked.exitCode, 0, checked.all);
        assert.doesNotMatch(checked.all, /error|missing|broken/);
      }

      const ledger = path.join(scratch, `${name}.ledger`);
      const keys = path.join(scratch, `${name}.keys`);
      await writeFile(keys, await must(dana.waybill('keys')));
      await writeFile(ledger, await must(dana.waybill('ledger', 'export')));
      assert.match(await must(dana.waybill('ledger', 'verify', ledger, '--keys', keys)), /entries/);

      await t.test('and goes on', async () => {
        const next = await passed(dana, await deliver(waybill, 'notes', { 'README.md': `after ${name}\n` }, `after-${name}`));
        assert.ok(next.id > upTo.run);
        await must(dana.waybill('verify', next.images[0]?.reference ?? ''));
      });
    });

  await t.test('restore refuses a folder with something in it, and a file that is no backup or not only one', async () => {
    await mustRefuse(admin.waybill('restore', '--data', restored, '--from', file), /not empty[^]*fix/);
    await mustRefuse(
      admin.waybill('restore', '--data', path.join(scratch, 'none'), '--from', path.join(scratch, 'gone.tar')),
      /error[^]*fix/,
    );
    const bad = path.join(scratch, 'bad.tar');
    const outside = path.join(scratch, 'outside');
    await mkdir(outside);
    for (const rename of [
      (name: string) => (name === 'waybill.json' ? '../outside/waybill.json' : name),
      (name: string) => (name === 'waybill.json' ? path.join(outside, 'waybill.json') : name),
      (name: string) => (name === 'waybill.json' ? 'a/../../outside/b' : name),
    ]) {
      await retar(file, bad, rename);
      await mustRefuse(admin.waybill('restore', '--data', path.join(scratch, 'escaped'), '--from', bad), /no backup of Waybill/);
      assert.deepEqual(await readdir(outside), []);
      await mustRefuse(admin.waybill('server', '--data', path.join(scratch, 'escaped')), /error[^]*fix/);
      await execa('rm', ['-rf', path.join(scratch, 'escaped')]);
    }
    await retar(file, bad, (name) => name, outside);
    await mustRefuse(admin.waybill('restore', '--data', path.join(scratch, 'linked'), '--from', bad), /no backup of Waybill/);
    await writeFile(bad, 'not a tar at all'.repeat(100));
    await mustRefuse(admin.waybill('restore', '--data', path.join(scratch, 'noise'), '--from', bad), /error[^]*fix/);
  });

  await t.test('the first server goes on from where it was', async () => {
    await waybill.start();
    const rows = await dana.api.call(endpoints.listRuns, { query: { limit: 1000 } });
    assert.ok(rows.every(isOver));
    await propose(waybill, 'notes', { 'README.md': 'again\n' }, 'again');
  });
});
