import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { endpoints } from '../src/api/endpoints.ts';
import { must } from '../scripts/demo/person.ts';
import { cli, loginOf, type Said } from './kit/cli.ts';
import { filesWith } from './kit/files.ts';
import { deliver, ended, newRepository, passed, propose } from './kit/repository.ts';
import { openWaybill } from './kit/waybill.ts';

const pipeline = `version: 1
defaults: { network: none, timeout: 1m }
stages:
  - { name: lint, on: [change], steps: [{ run: cat README.md }] }
images:
  - { name: note, layers: [{ from: README.md, to: /README.md }] }
`;

/** Arguments, status, and what must be on standard output (status 0) or standard error (any other). */
type Row = readonly [args: readonly string[], status: number, words: RegExp];

/** What holds for every command, whatever it did. */
function wellBehaved(args: readonly string[], said: Said): void {
  const where = `waybill ${args.join(' ')}\n${said.out}${said.err}`;
  assert.doesNotMatch(said.out + said.err, /\n {4}at |defect in Waybill|\[object Object\]|ExperimentalWarning/, where);
  if (said.status === 1) assert.match(said.out + said.err, /error|✘|"deny"|"problems"|"ok":false/, where);
  if (said.status === 1 && said.err.includes('error')) assert.match(said.err, /\n {2}fix \S/, where);
}

test('the command line, every command with good and bad input', { timeout: 300_000 }, async (t) => {
  await using waybill = await openWaybill();
  const { admin, dana, rita, signal, scratch, data, url, host } = waybill;
  const cwd = path.join(scratch, 'cli');
  await mkdir(cwd);
  await newRepository(waybill, 'notes', { 'README.md': 'one\n', 'waybill.yaml': pipeline });
  const run = await passed(dana, await deliver(waybill, 'notes', { 'README.md': 'two\n' }, 'two'));
  const image = run.images[0]?.reference ?? '';
  const open = await propose(waybill, 'notes', { 'README.md': 'three\n' }, 'three');
  const pod = (reference: string) =>
    JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [{ name: 'a', image: reference }] } });
  for (const [name, text] of Object.entries({
    'good.yaml': pipeline,
    'bad.yaml': pipeline.replace('stages', 'stagez'),
    'noise.json': '{ not json',
    'other.json': '{"a":1}',
    'pod.json': pod(image),
    'foreign.json': pod('docker.io/library/nginx:1'),
  }))
    await writeFile(path.join(cwd, name), text);
  for (const name of ['keys', 'policy']) await writeFile(path.join(cwd, `${name}.json`), await must(dana.waybill(name)));
  await writeFile(path.join(cwd, 'ledger'), await must(dana.waybill('ledger', 'export')));
  await writeFile(path.join(cwd, 'broken-ledger'), (await must(dana.waybill('ledger', 'export'))).replace('"index":2', '"index":3'));
  await writeFile(path.join(cwd, 'snapshot.json'), JSON.stringify(await dana.api.call(endpoints.snapshot)));
  await writeFile(path.join(cwd, 'checkpoint'), `${await must(dana.waybill('ledger', 'checkpoint'))}\n`);
  const last = String(run.id);
  const unknownImage = `${host}/notes/note@sha256:${'0'.repeat(64)}`;

  const tables: Readonly<Record<string, readonly Row[]>> = {
    'about itself': [
      [['--version'], 0, /^\d+\.\d+\.\d+\n$/],
      [['--help'], 0, /Usage: waybill/],
      [['change', '--help'], 0, /approve/],
      [['chagne', 'list'], 2, /Did you mean change/],
      [['change', 'shwo', '1'], 2, /unknown command/],
      [['change', 'show'], 2, /missing required argument/],
      [['change', 'list', '--colour'], 2, /unknown option/],
      [['schema'], 0, /"\$schema"/],
      [['lint', 'good.yaml'], 0, /valid/],
      [['lint', 'bad.yaml'], 1, /^/],
      [['lint', 'gone.yaml'], 1, /no such file/],
      [['lint', '.'], 1, /directory/],
    ],
    'people, tokens, repositories, environments': [
      [['user', 'add', 'tess', '--role', 'reviewer', '--email', 'tess@shop.example'], 0, /tess is now a reviewer/],
      [['user', 'add', 'tess'], 1, /tess/],
      [['user', 'add', 'No Name'], 1, /error/],
      [['user', 'add', 'x', '--role', 'king'], 1, /role/],
      [['user', 'list'], 0, /tess/],
      [['token', 'create', 'tess', '--expires-in-days', '3'], 0, /^wb_|\w{20}/],
      [['token', 'create', 'nobody'], 1, /nobody/],
      [['token', 'create', 'tess', '--expires-in-days', 'soon'], 1, /soon/],
      [['token', 'create', 'tess', '--expires-in-days', '-1'], 1, /-1/],
      [['token', 'list'], 0, /tess/],
      [['token', 'revoke', 'none'], 1, /none/],
      [['user', 'remove', 'tess'], 0, /removed/],
      [['user', 'remove', 'tess'], 0, /removed/],
      [['user', 'remove', 'nobody'], 1, /nobody/],
      [['repo', 'add', 'more', '--branch', 'trunk'], 0, /more is ready/],
      [['repo', 'add', 'more'], 1, /more/],
      [['repo', 'add', '../escape'], 1, /error/],
      [['repo', 'add', 'x', '--branch', 'a..b'], 1, /error/],
      [['repo', 'list'], 0, /trunk/],
      [['repo', 'remove', 'more'], 0, /removed/],
      [['repo', 'remove', 'more'], 1, /more/],
      [['environment', 'add', 'here', '--local'], 0, /here \(local/],
      [['environment', 'add', 'here', '--local'], 1, /here/],
      [['environment', 'add', 'there'], 1, /kubeconfig/],
      [['environment', 'add', 'there', '--kubeconfig', 'gone'], 1, /gone/],
      [['environment', 'add', 'there', '--kubeconfig', 'noise.json'], 1, /kubeconfig/i],
      [['environment', 'list'], 0, /here/],
      [['environment', 'remove', 'here'], 0, /removed/],
      [['environment', 'remove', 'here'], 1, /here/],
    ],
    'changes and runs': [
      [['change', 'list'], 0, /three/],
      [['change', 'list', '--repository', 'none'], 1, /none/],
      [['change', 'list', '--state', 'odd'], 1, /state/],
      [['change', 'show', String(open.id)], 0, /version 1/],
      [['change', 'show', '999'], 1, /999/],
      [['change', 'show', 'abc'], 1, /abc/],
      [['change', 'show', '1abc'], 1, /1abc/],
      [['change', 'approve', '999'], 1, /999/],
      [['change', 'approve', String(open.id), '--head', 'f'.repeat(40)], 1, /newest|head|version/],
      [['change', 'reject', String(open.id), '-m', 'no'], 0, /rejected by/],
      [['change', 'merge', String(open.id)], 1, /reject|approv/],
      [['change', 'merge', '999'], 1, /999/],
      [['change', 'abandon', String(open.id)], 0, /abandoned/],
      [['change', 'abandon', String(open.id)], 1, /abandoned/],
      [['runs', 'list'], 0, /notes/],
      [['runs', 'list', '--change', 'x'], 1, /x/],
      [['runs', 'show', last], 0, /image note/],
      [['runs', 'show', '0'], 1, /0/],
      [['runs', 'show', '999'], 1, /999/],
      [['runs', 'watch', last], 0, /passed/],
      [['runs', 'watch', '999'], 1, /999/],
      [['runs', 'log', last], 0, /layer README\.md/],
      [['runs', 'log', last, 'image', 'note'], 0, /layer README\.md/],
      [['runs', 'log', last, 'stage', '../../x'], 1, /no log/],
      [['runs', 'log', '999'], 1, /999/],
      [['runs', 'cancel', last], 1, /already ended/],
      [['runs', 'cancel', '999'], 1, /999/],
    ],
    'papers, ledger, gate, trace': [
      [['verify', image], 0, /has its papers/],
      [['verify', '--keys', 'keys.json', image], 0, /has its papers/],
      [['verify', '--keys', 'gone.json', image], 1, /gone\.json/],
      [['verify', '--keys', 'noise.json', image], 1, /noise\.json/],
      [['verify', '--keys', 'other.json', image], 1, /other\.json|key ring/],
      [['verify', unknownImage], 1, /no image/],
      [['verify', ':::'], 1, /:::/],
      [['images'], 0, /notes\/note/],
      [['keys'], 0, /BEGIN PUBLIC KEY/],
      [['policy'], 0, /\{/],
      [['ledger', 'export'], 0, /"type":"ledger"/],
      [['ledger', 'checkpoint'], 0, /\n— /],
      [['ledger', 'verify', 'ledger', '--keys', 'keys.json'], 0, /entries/],
      [['ledger', 'verify', 'ledger', '--keys', 'keys.json', '--witness', 'checkpoint'], 0, /entries/],
      [['ledger', 'verify', 'broken-ledger', '--keys', 'keys.json'], 1, /entry 2/],
      [['ledger', 'verify', 'noise.json', '--keys', 'keys.json'], 1, /line 1|ledger/],
      [['ledger', 'verify', 'gone', '--keys', 'keys.json'], 1, /gone/],
      [['ledger', 'verify', 'ledger', '--keys', 'other.json'], 1, /other\.json|key/],
      [['ledger', 'verify', 'ledger', '--keys', 'keys.json', '--witness', 'gone'], 1, /gone/],
      [['ledger', 'verify', 'ledger', '--keys', 'keys.json', '--witness', 'noise.json'], 1, /error/],
      [['admit', '-f', 'pod.json'], 0, /allow/],
      [['admit', '-f', 'pod.json', '--snapshot', 'snapshot.json', '--keys', 'keys.json', '--policy', 'policy.json'], 0, /allow/],
      [['admit', '-f', 'foreign.json'], 1, /^/],
      [['admit', '-f', 'gone.json'], 1, /gone\.json/],
      [['admit', '-f', 'noise.json'], 1, /^/],
      [['admit', '-f', 'pod.json', '--keys', 'noise.json'], 1, /noise\.json|key/],
      [['admit', '-f', 'pod.json', '--policy', 'other.json'], 1, /polic/],
      [['admission', 'webhook', '--url', 'https://gate.example:8443', '--folder', 'gate'], 0, /ValidatingWebhookConfiguration/],
      [['admission', 'webhook', '--url', 'nowhere', '--folder', 'gate'], 1, /nowhere/],
      [['admission', 'webhook', '--url', 'https://gate.example', '--folder', 'gate', '--cluster-version', 'new'], 1, /new/],
      [['admission', 'serve', '--source', url, '--keys', 'gone.json', '--policy', 'policy.json', '--folder', 'gate'], 1, /gone\.json/],
      [['admission', 'serve', '--source', url, '--keys', 'keys.json', '--policy', 'policy.json', '--port', 'x'], 1, /x/],
      [['trace', image], 0, /image/],
      [['trace', run.commit], 0, /commit/],
      [['trace', `run/${last}`], 0, /run/],
      [['trace', 'change/1'], 0, /change/],
      [['trace', 'deployment/none'], 1, /none/],
      [['trace', '%%%'], 1, /%%%/],
      [['whoami'], 0, /admin/],
    ],
    'data directories': [
      [['init', '--data', data], 1, /not empty/],
      [['init', '--data', 'new', '--port', 'x'], 1, /"x"/],
      [['init', '--data', 'new', '--port', '99999'], 1, /port/],
      [['init', '--data', 'new', '--admin', 'No Name'], 1, /error/],
      [['init', '--data', 'new', '--url', 'nowhere'], 1, /url/i],
      [['init', '--data', 'new', '--email', 'nowhere'], 1, /nowhere/],
      [['server', '--data', data], 1, /server runs/],
      [['server', '--data', 'none'], 1, /no data directory/],
      [['signer', '--data', 'none'], 1, /no data directory/],
      [['backup', '--data', 'none', '--to', 'b.tar'], 1, /no data directory/],
      [['backup', '--data', data, '--to', 'none/b.tar'], 1, /b\.tar/],
      [['restore', '--data', data, '--from', 'ledger'], 1, /not empty/],
      [['restore', '--data', 'new', '--from', 'gone.tar'], 1, /gone\.tar/],
      // What failed has left nothing in the way.
      [['init', '--data', 'new', '--port', '0'], 0, /is ready/],
    ],
  };

  const asJson = new Set(['--help', '--version', 'ledger export', 'ledger checkpoint', 'runs log']);
  for (const [what, rows] of Object.entries(tables))
    await t.test(what, async (t) => {
      for (const [args, status, words] of rows)
        await t.test(`waybill ${args.join(' ').replaceAll(scratch, '').slice(0, 90)}`, async () => {
          const said = await cli(args, { cwd, env: loginOf(admin, url) });
          const where = `status ${said.status}\n${said.out}\n${said.err}`;
          assert.equal(said.status, status, where);
          assert.match(status === 0 ? said.out : said.err, words, where);
          wellBehaved(args, said);
        });
    });

  await t.test('--json: one value for programs, good or bad', async () => {
    const all = Object.values(tables).flat();
    // Only what changes nothing can be done twice.
    const reads = all.filter(
      ([args, status]) => status !== 2 && !args.includes('--help') && !asJson.has(args.slice(0, 2).join(' ')) && !asJson.has(args[0] ?? ''),
    );
    const twice = reads.filter(([args, status]) => status === 1 || !/add|create|remove|reject|abandon|--data/.test(args[1] ?? ''));
    for (const [args] of twice) {
      const said = await cli(['--json', ...args], { cwd, env: loginOf(admin, url) });
      if (said.out.trim() === '') assert.equal(said.status, 1, args.join(' '));
      else assert.doesNotThrow(() => JSON.parse(said.out), `${args.join(' ')}\n${said.out}\n${said.err}`);
      wellBehaved(args, said);
    }
  });

  await t.test('login, whoami, logout; nobody, a wrong token, no server', async () => {
    const token = rita.token.reveal();
    const at = (args: string[], more: Partial<Parameters<typeof cli>[1]> = {}) => cli(args, { cwd, ...more });
    for (const [said, words] of [
      [await at(['whoami']), /no server is known/],
      [await at(['login', url]), /no token on standard input/],
      [await at(['login', url], { input: 'wb_wrong\n' }), /token/i],
      [await at(['login', 'nowhere'], { input: `${token}\n` }), /nowhere/],
      [await at(['login', 'http://127.0.0.1:1'], { input: `${token}\n` }), /does not answer/],
      [await at(['whoami'], { env: { WAYBILL_URL: 'http://127.0.0.1:1', WAYBILL_TOKEN: token } }), /does not answer/],
      [await at(['whoami'], { env: { WAYBILL_URL: url, WAYBILL_TOKEN: 'wb_wrong' } }), /Not logged in/],
      [await at(['user', 'add', 'eve'], { env: loginOf(rita, url) }), /Not allowed/],
    ] as const) {
      assert.equal(said.status, 1, said.out + said.err);
      assert.match(said.err, words);
      wellBehaved([], said);
      assert.ok(!(said.out + said.err).includes(token));
    }
    const good = await at(['login', url], { input: `${token}\n` });
    assert.match(good.out, /as rita \(reviewer\)/, good.err);
    assert.match((await at(['whoami'])).out, /^rita/);
    assert.deepEqual(await filesWith(path.join(cwd, '.config'), [token], { mode: 0o600 }), ['waybill/login.json']);
    await at(['logout']);
    assert.deepEqual(await filesWith(path.join(cwd, '.config'), [token]), []);
  });

  await t.test('no token in clear text in any file of the server, nor in its lines', async () => {
    const people = [admin, dana, rita, waybill.sam];
    // Also as they travel: with a name in front, in base64, in the address of a push.
    await dana.git(dana.folder, 'ls-remote', url.replace('//', `//${dana.id}:${dana.token.reveal()}@`) + '/git/notes.git');
    await fetch(`${url}/api/v1/me?token=${dana.token.reveal()}`);
    await ended(dana, run.id, signal);
    const needles = people.flatMap(({ id, token }) => [token.reveal(), Buffer.from(`${id}:${token.reveal()}`).toString('base64')]);
    assert.deepEqual(await filesWith(data, needles), []);
    assert.ok(waybill.log.every((line) => !needles.some((needle) => line.includes(needle))));
    assert.deepEqual(
      waybill.log.filter((line) => line.includes('"level":50')),
      [],
    );
  });
});
