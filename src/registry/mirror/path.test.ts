import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { isMirrored, mirrorPlace, mirrorRepository, parseMirrorRepository } from './path.ts';
import { afterFailure, patient, retryAfterMs, waitMs, whileAsking } from './patience.ts';

const own = 'waybill.example';
for (const [repository, namespace, place] of [
  ['mirror/hub/library/alpine', null, { name: 'hub', repository: 'library/alpine' }],
  ['mirror/hub/library/alpine', 'docker.io', { name: 'hub', repository: 'library/alpine' }],
  ['library/alpine', 'registry-1.docker.io', { server: 'docker.io', repository: 'library/alpine' }],
  ['library/alpine', 'WAYBILL.example', undefined],
  ['library/alpine', '', undefined],
  ['shop/web', null, undefined],
  // A Git repository that is called so has images of two parts, and imports begin otherwise.
  ['mirror/web', null, undefined],
  ['import/mirror/hub/alpine', null, undefined],
  ['mirrors/hub/alpine', null, undefined],
] as const)
  test(`${repository} asked for ${namespace ?? 'itself'} is ${place ? JSON.stringify(place) : 'our own'}`, () => {
    assert.deepEqual(mirrorPlace(repository, namespace, own), place);
  });

test('a name that is made is read again, and a prefix ends at a slash', () => {
  assert.deepEqual(parseMirrorRepository(mirrorRepository('hub', 'a/b')), { name: 'hub', repository: 'a/b' });
  const all = [
    isMirrored('team', 'team/a'),
    isMirrored('team', 'team'),
    isMirrored('team', 'teams/a'),
    isMirrored(undefined, 'x'),
    isMirrored('team', 'team/../a'),
  ];
  assert.deepEqual(all, [true, true, false, true, false]);
});

test('patience grows with failures up to half a minute, keeps to what was asked for up to an hour, and lets one try at a time', () => {
  let patience = patient;
  const waits = Array.from({ length: 8 }, () => {
    patience = afterFailure(patience, 'x', undefined, 1_000);
    return waitMs(patience, 1_000);
  });
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  assert.equal(waitMs(afterFailure(patient, 'x', 90_000, 0), 0), 90_000);
  assert.equal(waitMs(afterFailure(patient, 'x', 1e12, 0), 0), 3_600_000);
  const over = patience.until;
  assert.equal(waitMs(patience, over), 0);
  assert.ok(waitMs(whileAsking(patience, over), over + 1) > 0);
  assert.equal(waitMs(whileAsking(patient, over), over + 1), 0);
  assert.deepEqual(
    [retryAfterMs('7', 0), retryAfterMs('Thu, 01 Jan 1970 00:00:09 GMT', 2_000), retryAfterMs('soon', 0), retryAfterMs(undefined, 0)],
    [7_000, 7_000, undefined, undefined],
  );
});
