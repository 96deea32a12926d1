import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openWaybill, type Waybill } from '../../test/kit/waybill.ts';
import { endpoints } from '../api/endpoints.ts';

/** The pages and the session of a real server, seen from outside. */
let waybill: Waybill;
before(async () => {
  waybill = await openWaybill();
});
after(async () => {
  await waybill[Symbol.asyncDispose]();
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${waybill.url}${path}`, { headers: { accept: 'text/html', ...headers }, redirect: 'manual', signal: waybill.signal });
const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  fetch(`${waybill.url}${path}`, {
    method: 'POST',
    body: new URLSearchParams(fields),
    headers,
    redirect: 'manual',
    signal: waybill.signal,
  });
const logIn = async (token: string, fields: Record<string, string> = {}) => {
  const reply = await post('/login', { token, ...fields });
  return { reply, cookie: reply.headers.get('set-cookie')?.split(';')[0] ?? '' };
};

test('without a session every page is the form, and the address is kept for afterwards', async () => {
  for (const path of ['/', '/runs/1', '/changes/1', `/images/sha256:${'a'.repeat(64)}`]) {
    const reply = await get(path);
    const text = await reply.text();
    assert.equal(reply.status, 401, path);
    assert.match(text, /<form class="login" method="post" action="\/login">/);
    if (path !== '/') assert.ok(text.includes(`name="next" value="${path}"`), path);
  }
  assert.equal((await get('/login')).status, 200);
});

test('a token opens a session; a wrong one opens none', async () => {
  const { reply, cookie } = await logIn(waybill.dana.token.reveal());
  assert.deepEqual([reply.status, reply.headers.get('location')], [303, '/']);
  assert.match(reply.headers.get('set-cookie') ?? '', /HttpOnly; SameSite=Lax; Path=\/; Max-Age=\d+$/);
  assert.ok(!(reply.headers.get('set-cookie') ?? '').includes(waybill.dana.token.reveal()));
  const home = await get('/', { cookie });
  assert.equal(home.status, 200);
  assert.match(await home.text(), /<bdi>dana<\/bdi>/);
  for (const wrong of ['', 'wb_wrong', `${waybill.dana.token.reveal()}x`]) {
    const refused = await logIn(wrong);
    assert.deepEqual([refused.reply.status, refused.cookie], [401, ''], wrong);
    assert.match(await refused.reply.text(), /role="alert"/);
  }
});

test('after logging in one comes to the page that was asked for, and to no other host', async () => {
  const token = waybill.dana.token.reveal();
  const cases: [next: string, to: string][] = [
    ['/runs/1?log=stage%2Flint%2Flint', '/runs/1?log=stage%2Flint%2Flint'],
    ['/changes/2', '/changes/2'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['/\t/evil.example', '/'],
    ['https://evil.example/', '/'],
    ['/runs/1\r\nx: y', '/'],
    ['javascript:alert(1)', '/'],
  ];
  for (const [next, to] of cases) assert.equal((await logIn(token, { next })).reply.headers.get('location'), to, next);
});

test('every page says that nothing but its own style and script may work on it', async () => {
  const { cookie } = await logIn(waybill.dana.token.reveal());
  const nonces = new Set<string>();
  for (const [path, status] of [
    ['/', 200],
    ['/login', 303],
    ['/runs/999', 404],
    ['/runs/none', 404],
    ['/changes/999', 404],
    ['/images/none', 400],
    ['/nowhere', 404],
    [`/images/sha256:${'a'.repeat(64)}`, 200],
  ] as const) {
    const reply = await get(path, { cookie });
    const text = await reply.text();
    assert.equal(reply.status, status, path);
    if (status === 303) continue;
    const policy = reply.headers.get('content-security-policy') ?? '';
    const nonce = /script-src 'nonce-([\w+/=]{24})'/.exec(policy)?.[1] ?? '';
    nonces.add(nonce);
    assert.match(policy, /^default-src 'none'; /);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.equal(reply.headers.get('cache-control'), 'no-store');
    assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
    for (const [, attributes] of text.matchAll(/<(?:script|style)([^>]*)>/g)) assert.equal(attributes, ` nonce="${nonce}"`, path);
    assert.doesNotMatch(text, /\son\w+=|\sstyle=|<link[^>]*href="http|src="http/, path);
    assert.match(text, /<html lang="en">/);
  }
  assert.equal(nonces.size, 7, 'a nonce is used once');
});

test('a name that is markup is shown as a name', async () => {
  const name = `Eve" onfocus='alert(1)' & co`;
  await waybill.admin.api.call(endpoints.addPerson, { body: { id: 'mallory', name, role: 'developer' } });
  const { token } = await waybill.admin.api.call(endpoints.createToken, { body: { person: 'mallory' } });
  const { cookie } = await logIn(token);
  const text = await (await get('/', { cookie })).text();
  assert.ok(text.includes('<bdi>Eve&quot; onfocus=&#39;alert(1)&#39; &amp; co</bdi>'));
});

test('the cookie reads and does nothing else', async () => {
  const { cookie } = await logIn(waybill.admin.token.reveal());
  const headers = { cookie, 'content-type': 'application/json', accept: 'application/json' };
  for (const { path, method, access } of Object.values(endpoints)) {
    const url = `${waybill.url}${path.replace(/:\w+/g, '1')}`;
    const signal = waybill.signal;
    if (method === 'GET') continue;
    const reply = await fetch(url, { method, headers, signal, ...(method === 'POST' ? { body: '{}' } : {}) });
    assert.equal(reply.status, 401, `${method} ${path} (${access})`);
    assert.match(await reply.text(), /UNAUTHENTICATED/);
  }
  const forged = await post('/api/v1/people', { id: 'eve', role: 'admin' }, { cookie });
  assert.equal(forged.status, 401);
  assert.deepEqual(
    (await waybill.admin.api.call(endpoints.listPeople)).filter(({ id }) => id === 'eve'),
    [],
  );
  assert.equal((await get(endpoints.whoAmI.path, { cookie })).status, 200);
});

test('logging out ends the session, and a revoked token ends every session opened with it', async () => {
  const first = await logIn(waybill.sam.token.reveal());
  const out = await post('/logout', {}, { cookie: first.cookie });
  assert.deepEqual([out.status, out.headers.get('location')], [303, '/login']);
  assert.match(out.headers.get('set-cookie') ?? '', /^waybill_session=; .*Max-Age=0/);
  assert.equal((await get('/', { cookie: first.cookie })).status, 401);

  const { id, token } = await waybill.admin.api.call(endpoints.createToken, { body: { person: 'sam', label: 'lost' } });
  const second = await logIn(token);
  assert.equal((await get('/', { cookie: second.cookie })).status, 200);
  await waybill.admin.api.call(endpoints.revokeToken, { params: { name: id } });
  assert.equal((await get('/', { cookie: second.cookie })).status, 401);
});

test('what is not there is a page for a browser, and an error with code and fix for a program', async () => {
  const { cookie } = await logIn(waybill.dana.token.reveal());
  assert.match(await (await get('/nowhere', { cookie })).text(), /<h1>Not found<\/h1>/);
  const reply = await get('/nowhere', { accept: 'application/json' });
  assert.deepEqual([reply.status, ((await reply.json()) as { error: { code: string } }).error.code], [404, 'NOT_FOUND']);
  const log = await get('/api/v1/runs/none/log', { cookie, accept: 'application/json' });
  assert.equal(log.status, 400);
  const twice = await get('/api/v1/runs/1/log?name=a&name=b', { cookie, accept: 'application/json' });
  assert.equal(twice.status, 400);
});
