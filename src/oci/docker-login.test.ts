import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { Secret } from '../kernel/secret.ts';
import { connectRegistry } from './client.ts';
import type { RegistryAuth } from './client-session.ts';
import { dockerLogin } from './docker-login.ts';

const { signal } = new AbortController();
const base64 = (words: string) => Buffer.from(words).toString('base64');

async function folder(): Promise<AsyncDisposable & { path: string }> {
  const made = await mkdtemp(path.join(tmpdir(), 'waybill-login-'));
  return { path: made, [Symbol.asyncDispose]: () => rm(made, { recursive: true, force: true }) };
}

function revealed(auth: RegistryAuth | undefined): unknown {
  if (auth === undefined) return undefined;
  if ('username' in auth) return [auth.username, auth.password.reveal()];
  return 'identityToken' in auth ? { token: auth.identityToken.reveal() } : 'bearer';
}

const cases: readonly [string, object, string, string, unknown][] = [
  ['name and password', { auths: { 'r.example': { auth: base64('ada:pa:ss') } } }, 'r.example', 'a/b', ['ada', 'pa:ss']],
  [
    'the narrowest name',
    { auths: { 'r.example': { auth: base64('ada:wide') }, 'r.example/a': { auth: base64('ada:narrow') } } },
    'r.example',
    'a/b',
    ['ada', 'narrow'],
  ],
  [
    'not another host',
    { auths: { 'r.example.evil': { auth: base64('ada:x') }, 'r.example:5000': { auth: base64('a:b') } } },
    'r.example',
    'a',
    undefined,
  ],
  ['a host with a scheme', { auths: { 'https://r.example': { auth: base64('ada:x') } } }, 'r.example', 'a', ['ada', 'x']],
  [
    'Docker Hub by its old name',
    { auths: { 'https://index.docker.io/v1/': { auth: base64('ada:hub') } } },
    'registry-1.docker.io',
    'library/node',
    ['ada', 'hub'],
  ],
  [
    'an identity token',
    { auths: { 'r.example': { auth: base64('ada:'), identitytoken: 'refresh-me' } } },
    'r.example',
    'a',
    { token: 'refresh-me' },
  ],
  [
    'a token under its conventional name',
    { auths: { 'r.example': { username: '<token>', password: 'tok' } } },
    'r.example',
    'a',
    { token: 'tok' },
  ],
  ['nothing', {}, 'r.example', 'a', undefined],
];
for (const [what, config, registry, repository, expected] of cases)
  test(`a file of logins gives ${what}`, async () => {
    await using made = await folder();
    const file = path.join(made.path, 'config.json');
    await writeFile(file, JSON.stringify(config));
    const files = [path.join(made.path, 'missing.json'), file];
    assert.deepEqual(revealed(await dockerLogin(files, registry, repository, signal)), expected);
  });

test('a file that cannot be read is refused without a word of what stands in it', async () => {
  await using made = await folder();
  const file = path.join(made.path, 'config.json');
  for (const wrong of [
    '{"auths": {"r.example": {"auth": "hunter2"',
    '{"auths": "hunter2"}',
    JSON.stringify({ auths: { 'r.example': { auth: 'aHVudGVyMg==' } } }),
  ]) {
    await writeFile(file, wrong);
    await assert.rejects(dockerLogin([file], 'r.example', 'a', signal), (error: Error) => {
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /hunter2|aHVudGVyMg/);
      return 'code' in error && error.code === 'INVALID_INPUT';
    });
  }
});

test('credential helpers are asked by the name of the server, and their words are taken', async () => {
  await using made = await folder();
  const bin = path.join(made.path, 'bin');
  await mkdir(bin);
  const helper = path.join(bin, 'docker-credential-testing');
  await writeFile(
    helper,
    `#!/bin/sh\nread -r server || true\ncase "$1 $server" in\n'get r.example') echo '{"Username":"ada","Secret":"from helper"}';;\n'get t.example') echo '{"Username":"<token>","Secret":"tok"}';;\n'get broken.example') echo boom; exit 2;;\n*) echo 'credentials not found in native keychain'; exit 1;;\nesac\n`,
  );
  await chmod(helper, 0o755);
  const file = path.join(made.path, 'config.json');
  const before = process.env['PATH'];
  process.env['PATH'] = `${bin}:${before ?? ''}`;
  try {
    await writeFile(
      file,
      JSON.stringify({
        credsStore: 'testing',
        credHelpers: { 't.example': 'testing', 'gone.example': 'not-there', 'evil.example': '../sh' },
      }),
    );
    assert.deepEqual(revealed(await dockerLogin([file], 'r.example', 'a', signal)), ['ada', 'from helper']);
    assert.deepEqual(revealed(await dockerLogin([file], 't.example', 'a', signal)), { token: 'tok' });
    assert.equal(await dockerLogin([file], 'nobody.example', 'a', signal), undefined);
    await assert.rejects(dockerLogin([file], 'broken.example', 'a', signal), { code: 'UNAUTHENTICATED' });
    await assert.rejects(dockerLogin([file], 'gone.example', 'a', signal), { code: 'MISSING_PROGRAM' });
    await assert.rejects(dockerLogin([file], 'evil.example', 'a', signal), { code: 'INVALID_INPUT' });
  } finally {
    process.env['PATH'] = before;
  }
});

test('an identity token is exchanged by POST, and never sent to the registry itself', async () => {
  const seen: { url: string; method: string; authorization: string | undefined; body: string }[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    void text(request).then((body) => {
      seen.push({ url: request.url ?? '', method: request.method ?? '', authorization: request.headers.authorization, body });
      const origin = `http://${request.headers.host ?? ''}`;
      if (request.url?.startsWith('/token')) return response.end(JSON.stringify({ access_token: 'short-lived', expires_in: 300 }));
      if (request.headers.authorization !== 'Bearer short-lived')
        return response.writeHead(401, { 'www-authenticate': `Bearer realm="${origin}/token",service="r.example"` }).end();
      return response.end(JSON.stringify({ name: 'a', tags: ['1'] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const registry = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    using client = connectRegistry({ registry, plainHttp: true, auth: { identityToken: new Secret('refresh-me') } });
    assert.deepEqual(await client.listTags('a'), ['1']);
    const form = new URLSearchParams(seen.find((each) => each.url === '/token')?.body);
    assert.deepEqual(Object.fromEntries(form), {
      grant_type: 'refresh_token',
      service: 'r.example',
      client_id: 'waybill',
      scope: 'repository:a:pull',
      refresh_token: 'refresh-me',
    });
    for (const { url, authorization } of seen) if (url !== '/token') assert.ok(!authorization?.includes('refresh-me'));
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
