import assert from 'node:assert/strict';
import { test } from 'node:test';
import { people, startTestRegistry } from './registry.fixture.ts';

test('the OAuth2 form: the password grant is answered, without a refresh token; other grants are refused as RFC 6749 says', async () => {
  await using server = await startTestRegistry();
  const post = async (form: Record<string, string>, headers: Record<string, string> = {}) => {
    const body = new URLSearchParams(form);
    const answer = await fetch(`${server.url}/registry/token`, { method: 'POST', body, headers });
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  };
  const asked = { service: server.host, client_id: 'containerd-client', scope: 'repository:shop/shop:pull', access_type: 'offline' };
  const granted = await post({ ...asked, grant_type: 'password', username: 'anna', password: people.anna });
  assert.equal(granted.status, 200);
  assert.equal(granted.json['scope'], 'repository:shop/shop:pull');
  assert.equal(granted.json['refresh_token'], undefined);
  const bearer = { authorization: `Bearer ${String(granted.json['access_token'])}` };
  assert.equal((await fetch(`${server.url}/v2/shop/shop/tags/list`, { headers: bearer })).status, 404);

  const wrong = await post({ ...asked, grant_type: 'password', username: 'anna', password: 'guess' });
  assert.equal(wrong.status, 401, 'what containerd falls back to GET for');
  const cases: readonly [Record<string, string>, string][] = [
    [{ grant_type: 'refresh_token', refresh_token: 'x' }, 'invalid_grant'],
    [{ grant_type: 'client_credentials' }, 'unsupported_grant_type'],
    [{ grant_type: 'authorization_code', code: 'x' }, 'unsupported_grant_type'],
    [{}, 'invalid_request'],
  ];
  for (const [form, error] of cases) {
    const { status, json } = await post({ ...asked, ...form });
    assert.equal(status, 400, error);
    assert.equal(json['error'], error);
    assert.ok(Array.isArray(json['errors']));
  }
  assert.equal((await fetch(`${server.url}/registry/token`, { method: 'POST', body: 'x'.repeat(20_000) })).status, 413);
  assert.equal((await fetch(`${server.url}/registry/token`, { method: 'PUT', body: '' })).status, 405);
});

test('who asks by GET for a token that outlasts the hour gets one that does not', async () => {
  await using server = await startTestRegistry();
  const authorization = `Basic ${Buffer.from(`anna:${people.anna}`).toString('base64')}`;
  const path = `${server.url}/registry/token?offline_token=true&client_id=docker&service=${server.host}`;
  const answer = (await (await fetch(path, { headers: { authorization } })).json()) as Record<string, unknown>;
  assert.equal(typeof answer['token'], 'string');
  assert.equal(answer['refresh_token'], undefined);
  assert.ok(Number(answer['expires_in']) <= 300);
});
