import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { suite, test } from 'node:test';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { digestOf } from '../kernel/digest.ts';
import type { Finding, Place } from '../scan/finding.ts';
import { judgeScan } from '../scan/gate.ts';
import type { ScanKind, ScanReport } from '../scan/report.ts';
import { parseWaivers } from '../scan/parse-waivers.ts';
import { noWaivers } from '../scan/waivers.ts';
import { sarif } from './scan-sarif.ts';

/** The schema of SARIF 2.1.0 (rtm.5), as @microsoft/jest-sarif 1.0.0-beta.0 (MIT) brings it; of draft 4, whose `id` Ajv knows by another name. */
const { id, ...schema } = JSON.parse(readFileSync(path.join(import.meta.dirname, 'sarif-2.1.0-rtm.5.fixture.json'), 'utf8')) as {
  id: string;
};
const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false });
(formats as unknown as (to: Ajv) => void)(ajv);
const isSarif = ajv.compile({ ...schema, $id: id, $schema: 'http://json-schema.org/draft-07/schema#' });

const now = new Date('2026-03-01T00:00:00Z');
const layer = { digest: digestOf('layer'), createdBy: 'RUN true' };
const odd: readonly Place[] = [
  { path: 'a ü/b#c?d%zz:e\n✔ passed\u001b[2J.txt', line: 1, column: 7, commits: ['f'.repeat(40)] },
  { path: 'x.tar → ../../etc/passwd', line: 2 },
  { path: 'half a pair \ud800', layer },
  { path: '.' },
  { path: '/absolute//twice' },
];
const secret = (more: Partial<Finding> = {}): Finding =>
  ({
    kind: 'secret',
    key: 'secret:github-pat:00',
    severity: 'critical',
    title: 'GitHub personal access token',
    fix: 'Revoke it.',
    places: odd,
    rule: 'github-pat',
    length: 40,
    fingerprint: '0'.repeat(32),
    validity: 'well-formed',
    ...more,
  }) as Finding;
const vulnerability = (name: string, more: object): Finding => ({
  kind: 'vulnerability',
  key: `vulnerability:${name}`,
  severity: 'unknown',
  title: `${name} in a 1.0.0`,
  fix: '',
  places: odd,
  id: name,
  aliases: [],
  purl: 'pkg:npm/a@1.0.0',
  ecosystem: 'npm',
  package: 'a',
  version: '1.0.0',
  fixed: [],
  paths: [],
  ...more,
});

function reportOf(kind: ScanKind, findings: readonly Finding[]): ScanReport {
  const skipped = odd.map(({ path: at }) => ({ path: at, reason: 'limit' as const, detail: 'too large\u0000' }));
  const binary = { path: 'logo.png', reason: 'binary' as const, detail: 'a picture' };
  return {
    version: 1,
    kind,
    scanner: 'waybill 1.0.0',
    startedAt: now.toISOString(),
    finishedAt: now.toISOString(),
    coverage: { files: 1, bytes: 2, components: 3, skipped: [...skipped, binary], skippedCount: 6, gapCount: 5 },
    findings,
  };
}

function check(report: ScanReport, waivers = noWaivers, before?: ReadonlySet<string>): object {
  const verdict = judgeScan({ report, fail: 'high', waivers, now, databaseDays: 7, ...(before ? { before } : {}) });
  const log = JSON.parse(JSON.stringify(sarif(report, verdict))) as object;
  assert.equal(isSarif(log), true, JSON.stringify(isSarif.errors?.slice(0, 3)));
  return log;
}

suite('SARIF is valid by the schema of 2.1.0', () => {
  test('of credentials, with paths of all kinds, allowed ones, waived ones, known ones', () => {
    check(reportOf('secrets', []));
    check(reportOf('secrets', [secret(), secret({ key: 'k2', allowed: 'the sandbox' } as Partial<Finding>)]));
    check(reportOf('secrets', [secret()]), noWaivers, new Set(['secret:github-pat:00']));
    const waivers = parseWaivers(
      `version: 1\nsalt: ${'a1'.repeat(16)}\nsecrets:\n  - { rule: github-pat, fingerprint: '${'0'.repeat(32)}', reason: of a test, owner: anna, expires: 2026-05-01 }\n`,
    );
    const log = JSON.stringify(check(reportOf('secrets', [secret()]), waivers));
    assert.match(log, /"suppressions":\[\{"kind":"external"/);
  });

  test('of libraries, with links that are none', () => {
    const urls = [
      'https://osv.dev/vulnerability/GHSA-1',
      'no link',
      'https://a b',
      'javascript:alert(1)',
      'https://ä.example/',
      'http://a/%zz',
      '',
    ];
    const found = urls.map((url, index) =>
      vulnerability(`GHSA-${index}`, { url, ...(index === 0 ? { notAffected: 'never called' } : {}) }),
    );
    const log = JSON.stringify(check(reportOf('dependencies', found)));
    assert.deepEqual(log.match(/"helpUri":"[^"]*"/g), ['"helpUri":"https://osv.dev/vulnerability/GHSA-1"']);
  });

  test('of images', () => {
    const habit: Finding = {
      kind: 'image',
      key: 'image:root-user',
      severity: 'medium',
      title: 'It runs as root',
      fix: 'Set a user.',
      places: odd,
      rule: 'root-user',
    };
    check(reportOf('image', [habit, secret(), vulnerability('CVE-2026-1', { vector: 'x', score: 9.8 })]));
  });

  test('and the schema refuses what is wrong', () => {
    assert.equal(isSarif({ version: '2.1.0', runs: [{ tool: { driver: { name: 'x' } }, results: [{ level: 'bad' }] }] }), false);
  });
});
