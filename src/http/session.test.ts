import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../kernel/secret.ts';
import { createSessions } from './session.ts';

function setUp(secure = false) {
  let ms = Date.parse('2026-11-22T10:00:00Z');
  const sessions = createSessions({ now: () => new Date(ms) }, secure);
  return { sessions, pass: (hours: number) => (ms += hours * 3_600_000) };
}
const pair = (header: string) => header.split(';')[0] ?? '';

test('a cookie leads back to the token it was opened with, until it is closed or 12 hours are over', () => {
  const { sessions, pass } = setUp();
  const token = new Secret('wb_one');
  const cookie = sessions.open(token);
  assert.match(cookie, /^waybill_session=[\w-]{43}; HttpOnly; SameSite=Lax; Path=\/; Max-Age=43200$/);
  assert.equal(sessions.tokenOf(pair(cookie)), token);
  assert.equal(sessions.tokenOf(`theme=dark; ${pair(cookie)}; x=y`), token);
  const other = sessions.open(new Secret('wb_two'));
  assert.match(sessions.close(pair(cookie)), /^waybill_session=; .*Max-Age=0/);
  assert.equal(sessions.tokenOf(pair(cookie)), undefined);
  assert.ok(sessions.tokenOf(pair(other)));
  pass(12);
  assert.equal(sessions.tokenOf(pair(other)), undefined);
});

test('over https the cookie stays on https', () => {
  assert.match(setUp(true).sessions.open(new Secret('wb_one')), /; Secure$/);
});

test('what is no cookie of ours leads nowhere', () => {
  const { sessions } = setUp();
  const cookie = pair(sessions.open(new Secret('wb_one')));
  const made = [
    undefined,
    '',
    'waybill_session=',
    `${cookie}x`,
    cookie.slice(0, -1),
    cookie.replace('waybill', 'not_waybill'),
    `x${cookie}`,
  ];
  for (const header of made) assert.equal(sessions.tokenOf(header), undefined, header);
});

test('no more sessions are kept than have room: the oldest goes', () => {
  const { sessions } = setUp();
  const first = pair(sessions.open(new Secret('wb_first')));
  const second = pair(sessions.open(new Secret('wb_second')));
  for (let index = 0; index < 9_999; index += 1) sessions.open(new Secret('wb_other'));
  assert.equal(sessions.tokenOf(first), undefined);
  assert.ok(sessions.tokenOf(second));
});
