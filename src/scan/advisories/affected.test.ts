import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { packagesOf } from './advisory.ts';
import { boundVersion, judgeVersion, type Judgement } from './affected.ts';
import { ecosystemOf } from './ecosystems.ts';
import { osvRecord } from './osv-record.ts';

type Event = { introduced?: string; fixed?: string; last_affected?: string; limit?: string };
type Told = { readonly ranges?: readonly { type: string; events: readonly Event[] }[]; readonly versions?: readonly string[] | null };

/** What is said about a version by an affected package in a record, the whole way that a record goes. */
function judge(version: string, told: Told, ecosystem = 'npm'): Judgement {
  const known = ecosystemOf(ecosystem.split(':')[0] ?? '');
  assert.ok(known);
  const record = osvRecord.parse({
    id: 'X-1',
    modified: '2026-01-01T00:00:00Z',
    affected: [{ package: { ecosystem, name: 'x' }, ...told }],
  });
  const [found] = packagesOf(record, known);
  assert.ok(found);
  return judgeVersion(boundVersion(known.order, version), found.affected);
}
const semver = (...events: Event[]): Told => ({ ranges: [{ type: 'SEMVER', events }] });
const own = (...events: Event[]): Told => ({ ranges: [{ type: 'ECOSYSTEM', events }] });

suite("OSV's evaluation", () => {
  const table: readonly [what: string, told: Told, affected: string, unaffected: string][] = [
    ['from the start to a fix', semver({ introduced: '0' }, { fixed: '1.2.0' }), '0.0.0-0 0.1.0 1.1.9 1.2.0-rc.1', '1.2.0 1.2.0+x 2.0.0'],
    [
      'from a version to a last one',
      semver({ introduced: '1.0.0' }, { last_affected: '1.2.0' }),
      '1.0.0 1.1.0 1.2.0',
      '0.9.9 1.0.0-rc.1 1.2.1',
    ],
    ['one version alone', semver({ introduced: '1.0.0' }, { last_affected: '1.0.0' }), '1.0.0', '0.9.0 1.0.1'],
    ['without an end', semver({ introduced: '1.0.0' }), '1.0.0 99.0.0', '0.9.0'],
    [
      'several branches in one range',
      semver({ introduced: '0' }, { fixed: '1.5.1' }, { introduced: '2.0.0' }, { fixed: '2.3.4' }),
      '1.5.0 2.0.0 2.3.3',
      '1.5.1 1.9.9 2.3.4 3.0.0',
    ],
    [
      'in any order',
      semver({ fixed: '2.3.4' }, { introduced: '2.0.0' }, { fixed: '1.5.1' }, { introduced: '0' }),
      '1.5.0 2.0.0',
      '1.5.1 2.3.4',
    ],
    [
      'branches that touch',
      semver({ introduced: '0' }, { fixed: '1.0.0' }, { introduced: '1.0.0' }, { fixed: '2.0.0' }),
      '0.5.0 1.0.0 1.5.0',
      '2.0.0',
    ],
    ['nothing', semver({ introduced: '1.0.0' }, { fixed: '1.0.0' }), '', '0.9.0 1.0.0 2.0.0'],
    [
      'several ranges',
      {
        ranges: [...(semver({ introduced: '1.0.0' }, { fixed: '1.1.0' }).ranges ?? []), ...(semver({ introduced: '3.0.0' }).ranges ?? [])],
      },
      '1.0.5 3.1.0',
      '1.1.0 2.0.0',
    ],
    ['up to a limit', semver({ introduced: '1.0.0' }, { limit: '2.0.0' }), '1.0.0 1.9.0', '0.1.0 2.0.0'],
    ['up to the last of several limits', semver({ introduced: '1.0.0' }, { limit: '2.0.0' }, { limit: '3.0.0' }), '2.5.0', '3.0.0'],
    ['without a limit', semver({ introduced: '1.0.0' }, { limit: '*' }), '9.0.0', '0.1.0'],
    [
      'listed besides a range',
      { ...semver({ introduced: '0' }, { fixed: '1.0.0' }), versions: ['1.5.0', '0.5.0'] },
      '0.5.0 1.5.0',
      '1.4.0 1.5.1',
    ],
    ['listed alone', { versions: ['1.0.0', 'not-a-version'] }, '1.0.0 not-a-version', '1.0.1 1.0.0+x'],
  ];
  for (const [what, told, affected, unaffected] of table)
    test(what, () => {
      for (const version of affected.split(' ').filter(Boolean)) assert.equal(judge(version, told), 'affected', version);
      for (const version of unaffected.split(' ').filter(Boolean)) assert.equal(judge(version, told), 'unaffected', version);
    });

  test("ECOSYSTEM goes by the ecosystem's order, SEMVER by semver", () => {
    assert.equal(judge('1.0.post1', own({ introduced: '0' }, { fixed: '1.0.1' }), 'PyPI'), 'affected');
    assert.equal(judge('1!0.1', own({ introduced: '0' }, { fixed: '1.0.1' }), 'PyPI'), 'unaffected');
    assert.equal(judge('3.0.11-1~deb12u2', own({ introduced: '0' }, { fixed: '3.0.11-1~deb12u3' }), 'Debian:12'), 'affected');
    assert.equal(judge('1:2.0-1', own({ introduced: '0' }, { fixed: '3.0-1' }), 'Debian:12'), 'unaffected');
    assert.equal(judge('1.36.1-r9', own({ introduced: '0' }, { fixed: '1.36.1-r10' }), 'Alpine:v3.20'), 'affected');
    assert.equal(
      judge('v0.0.0-20200101000000-0123456789ab', semver({ introduced: '0' }, { fixed: '0.0.0-20210101000000-0123456789ab' }), 'Go'),
      'affected',
    );
    assert.equal(judge('v1.2.4-0.20200101000000-0123456789ab', semver({ introduced: '0' }, { fixed: '1.2.4' }), 'Go'), 'affected');
    assert.equal(judge('v2.0.0+incompatible', semver({ introduced: '0' }, { fixed: '2.0.0' }), 'Go'), 'unaffected');
  });

  test('what cannot be judged is unknown, never unaffected', () => {
    const upTo = semver({ introduced: '0' }, { fixed: '1.2.0' });
    for (const version of ['workspace:*', 'latest', '']) assert.equal(judge(version, upTo), 'unknown', version);
    assert.equal(judge('1.0.0', semver({ introduced: '0' }, { fixed: 'the next one' })), 'unknown');
    assert.equal(judge('1.0.0', { ranges: [{ type: 'GIT', events: [{ introduced: '0' }, { fixed: 'abc123' }] }] }), 'unknown');
    assert.equal(judge('1.0.0', {}), 'unknown');
    assert.equal(judge('latest', semver({ introduced: '0' })), 'affected', 'every version is');
    assert.equal(judge('latest', { ...upTo, versions: ['latest'] }), 'affected');
    assert.equal(judge('1.0.0', { ...semver({ introduced: '2.0.0' }), versions: null }), 'unaffected');
  });
});
