import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { isWaybillError } from '../kernel/error.ts';
import type { CliContext } from './context.ts';
import { makePullSecret, printed, type PullSecretOptions } from './pull-secret.ts';

const none: PullSecretOptions = { server: [], passwordStdin: false, dryRun: true };

async function make(options: Partial<PullSecretOptions>, stdin = '', cwd = '/') {
  const context = { cwd, signal: AbortSignal.timeout(10_000), readStdin: async () => stdin } as CliContext;
  const secret = await makePullSecret(context, 'regcred', { ...none, ...options });
  return { secret, config: Buffer.from(secret.data['.dockerconfigjson'], 'base64').toString() };
}

/** What kubectl 1.20 wrote for the same words, decoded. */
const asKubectl: [string, Partial<PullSecretOptions>, string, string][] = [
  [
    'all of it',
    { server: ['registry.example:5000'], username: 'u', passwordStdin: true, email: 'u@e.x' },
    'p\n',
    '{"auths":{"registry.example:5000":{"username":"u","password":"p","email":"u@e.x","auth":"dTpw"}}}',
  ],
  [
    'Docker Hub, no address',
    { username: 'u', passwordStdin: true },
    'p',
    '{"auths":{"https://index.docker.io/v1/":{"username":"u","password":"p","auth":"dTpw"}}}',
  ],
  [
    'characters that Go escapes',
    { server: ['r.example'], username: 'a<b>', passwordStdin: true },
    'p&"ü ',
    '{"auths":{"r.example":{"username":"a\\u003cb\\u003e","password":"p\\u0026\\"ü ","auth":"YTxiPjpwJiLDvCA="}}}',
  ],
];
for (const [name, options, stdin, expected] of asKubectl)
  test(`as kubectl: ${name}`, async () => assert.equal((await make(options, stdin)).config, expected));

test('printed as kubectl prints it, and read back the same', async () => {
  const { secret } = await make({ server: ['r.example'], username: 'u', passwordStdin: true, namespace: 'shop' }, 'p'.repeat(200));
  assert.deepEqual(Object.keys(parse(printed(secret, 'yaml')) as object), ['apiVersion', 'data', 'kind', 'metadata', 'type']);
  assert.deepEqual(parse(printed(secret, 'yaml')), JSON.parse(printed(secret, 'json')));
  assert.deepEqual(parse(printed(secret, 'yaml')), secret);
});

test('from a config.json only what was asked for; an identity token is of no use to a kubelet', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-pull-'));
  try {
    const auths = {
      'r.example': { auth: 'dTpw' },
      'other.example': { auth: 'eDp5' },
      'https://index.docker.io/v1/': { auth: 'aDpp' },
      't.example': { identitytoken: 'x' },
    };
    await writeFile(path.join(folder, 'config.json'), JSON.stringify({ auths }));
    const from = (server: string[]) => make({ server, fromFile: 'config.json' }, '', folder);
    assert.equal((await from(['r.example'])).config, '{"auths":{"r.example":{"username":"u","password":"p","auth":"dTpw"}}}');
    assert.deepEqual(
      Object.keys((JSON.parse((await from(['r.example', 'https://index.docker.io/v1/'])).config) as { auths: object }).auths),
      ['r.example', 'https://index.docker.io/v1/'],
    );
    await assert.rejects(from(['none.example']), (error) => isWaybillError(error, 'UNAUTHENTICATED'));
    await assert.rejects(from(['t.example']), (error) => isWaybillError(error, 'UNSUPPORTED'));
  } finally {
    await rm(folder, { recursive: true });
  }
});

const refused: [string, Partial<PullSecretOptions>, RegExp][] = [
  ['no password', { username: 'u' }, /needs a name and a password/],
  ['an empty password', { username: 'u', passwordStdin: true }, /empty/],
  ['two servers for one password', { server: ['a.example', 'b.example'], username: 'u', passwordStdin: true }, /for one server/],
  ['a server that is none', { server: ['a b'], username: 'u', passwordStdin: true }, /is no registry/],
  ['a namespace that is none', { namespace: 'A/b', username: 'u', passwordStdin: true }, /namespace/],
];
for (const [name, options, says] of refused)
  test(`refused: ${name}`, () => assert.rejects(make(options), (error) => isWaybillError(error) && says.test(error.detail)));
