import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { parseChallenge } from './challenge.ts';

test('challenges', () => {
  assert.deepEqual(parseChallenge('Bearer realm="https://a/token",service="b",scope="repository:x/y:pull,push"'), {
    scheme: 'bearer',
    parameters: { realm: 'https://a/token', service: 'b', scope: 'repository:x/y:pull,push' },
  });
  assert.deepEqual(parseChallenge('BASIC Realm=x'), { scheme: 'basic', parameters: { realm: 'x' } });
  assert.deepEqual(parseChallenge('Bearer realm="a\\"b"')?.parameters, { realm: 'a"b' });
  assert.deepEqual(parseChallenge('Negotiate'), { scheme: 'negotiate', parameters: {} });
  for (const nothing of [undefined, '', '  ', '=', `Bearer ${'x'.repeat(5_000)}`]) assert.equal(parseChallenge(nothing), undefined);
});
