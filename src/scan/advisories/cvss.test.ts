import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { severityOf } from './severity-of.ts';
import { scoreOf } from './cvss.ts';

/** Vectors and scores as FIRST publishes them: the examples of CVSS 3.1 and 3.0 (first.org/cvss/v3.1/examples), of 4.0 (first.org/cvss/v4.0/examples), and of the guide to 2.0. */
const published: readonly [vector: string, score: number][] = [
  ['CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N', 6.4],
  ['CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N', 3.1],
  ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N', 5.3],
  ['CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L', 4.7],
  ['CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H', 9.9],
  ['CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N', 5.5],
  ['CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N', 4.6],
  ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N', 7.5],
  ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', 9.8],
  ['CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N', 6.1],
  ['CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:H', 9.3],
  ['CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H', 7.8],
  ['CVSS:3.0/AV:N/AC:H/PR:N/UI:N/S:C/C:N/I:H/A:N', 6.8],
  ['CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:U/C:L/I:L/A:N', 5.4],
  ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N', 0],
  ['CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N', 9.2],
  ['CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N', 7.3],
  ['CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N', 7.7],
  ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N', 8.7],
  ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H', 10],
  ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N', 5.1],
  ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N', 0],
  ['AV:N/AC:L/Au:N/C:N/I:N/A:C', 7.8],
  ['AV:N/AC:L/Au:N/C:C/I:C/A:C', 10],
  ['AV:L/AC:H/Au:N/C:C/I:C/A:C', 6.2],
];

suite('CVSS', () => {
  for (const [vector, score] of published) test(`${vector} is ${score}`, () => assert.equal(scoreOf(vector)?.score, score));

  test('a threat that is known counts', () => {
    assert.equal(scoreOf('CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U')?.score, 7.2);
    assert.equal(scoreOf('CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:C')?.score, 8.5);
  });

  const none = [
    '',
    '9.8',
    'CVSS:3.1/',
    'CVSS:3.1/AV:N',
    'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H',
    'CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:Q',
    'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/ZZ:N',
    'CVSS:3.2/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N',
    `CVSS:3.1/${'AV:N/'.repeat(10_000)}`,
  ];
  for (const text of none) test(`${JSON.stringify(text.slice(0, 60))} gives no score`, () => assert.equal(scoreOf(text), undefined));
});

suite('how bad it is', () => {
  const high = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N';
  const critical = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H';
  const medium4 = 'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N';
  const of = (...hits: readonly { vectors?: string[]; rating?: string; id?: string; s?: string[]; w?: string }[]) =>
    severityOf(
      hits.map(({ id = 'X-1', vectors = [], rating, s, w }) => ({
        advisory: { id, aliases: [], upstream: [], title: '', vectors, ...(rating === undefined ? {} : { rating }) },
        affected: { ...(s === undefined ? {} : { s }), ...(w === undefined ? {} : { w }) },
      })),
    ).severity;
  test('the worst of several advisories', () => assert.equal(of({ vectors: [high] }, { vectors: [critical] }), 'critical'));
  test('of one advisory the newest CVSS', () => assert.equal(of({ vectors: [critical, medium4] }), 'medium'));
  test('what is said of this package alone goes before what is said of all', () =>
    assert.equal(of({ vectors: [critical], s: [high] }), 'high'));
  test('a word where there is no vector, or none that is right', () => {
    assert.equal(of({ rating: 'moderate' }), 'medium');
    assert.equal(of({ w: 'unimportant', rating: 'high' }), 'low');
    assert.equal(of({ vectors: ['CVSS:3.1/AV:N'], rating: 'important' }), 'high');
  });
  test('nobody knows', () => assert.equal(of({ rating: 'not yet assigned' }), 'unknown'));
  test('a malicious package is critical', () => assert.equal(of({ id: 'MAL-2026-1', rating: 'low' }), 'critical'));
  test('a score of 0 is low, not unknown', () => assert.equal(of({ vectors: ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N'] }), 'low'));
});
