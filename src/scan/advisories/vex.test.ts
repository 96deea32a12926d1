import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { VulnerabilityFinding } from '../finding.ts';
import { parsePurl, purlCovers } from './purl-match.ts';
import { parseVex, type VexDocument } from './vex-document.ts';
import { applyVex } from './vex.ts';
import { vexOf } from './vex-write.ts';

const lodash = 'pkg:npm/lodash@4.17.4';
const finding = (more: Partial<VulnerabilityFinding> = {}): VulnerabilityFinding => ({
  kind: 'vulnerability',
  key: `vulnerability:CVE-2018-3721:pkg:npm/lodash`,
  severity: 'high',
  title: 'CVE-2018-3721 in lodash 4.17.4',
  fix: 'Take lodash 4.17.5.',
  places: [{ path: 'package-lock.json' }],
  id: 'CVE-2018-3721',
  aliases: ['GHSA-fvqr-27wr-82fm'],
  purl: lodash,
  ecosystem: 'npm',
  package: 'lodash',
  version: '4.17.4',
  fixed: ['4.17.5'],
  paths: [],
  ...more,
});

const statement = (more: object = {}) => ({
  vulnerability: { name: 'CVE-2018-3721' },
  products: [{ '@id': 'pkg:npm/lodash' }],
  status: 'not_affected',
  justification: 'vulnerable_code_not_in_execute_path',
  ...more,
});
const vex = (statements: readonly object[], more: object = {}): VexDocument =>
  parseVex(
    JSON.stringify({
      '@context': 'https://openvex.dev/ns/v0.2.0',
      '@id': 'https://example.com/vex-1',
      author: 'anna',
      timestamp: '2026-01-01T00:00:00Z',
      version: 1,
      statements,
      ...more,
    }),
    'a.json',
  );
const said = (statements: readonly object[], products: readonly string[] = []) =>
  applyVex({ findings: [finding()], documents: [vex(statements)], products }).findings[0]?.notAffected;

suite('what VEX says about findings', () => {
  const reason = 'vulnerable code not in execute path (anna)';
  const image = 'pkg:oci/shop@sha256%3Aabc?repository_url=registry.example.com/shop';
  const table: readonly [what: string, statement: object, products: readonly string[], expected: string | undefined][] = [
    ['not affected, for every version', statement(), [], reason],
    ['by another of its names', statement({ vulnerability: { name: 'ghsa-FVQR-27wr-82fm' } }), [], reason],
    ['by an alias in the statement', statement({ vulnerability: { name: 'X-1', aliases: ['CVE-2018-3721'] } }), [], reason],
    ['for just this version, as an identifier', statement({ products: [{ identifiers: { purl: lodash } }] }), [], reason],
    ['fixed', statement({ status: 'fixed' }), [], 'fixed (anna)'],
    [
      'with its own words',
      statement({ justification: undefined, impact_statement: 'only at build time' }),
      [],
      'only at build time (anna)',
    ],
    ['another version', statement({ products: [{ '@id': 'pkg:npm/lodash@4.17.3' }] }), [], undefined],
    ['another package', statement({ products: [{ '@id': 'pkg:npm/lodash.merge' }] }), [], undefined],
    ['another vulnerability', statement({ vulnerability: { name: 'CVE-2018-3722' } }), [], undefined],
    ['affected', statement({ status: 'affected', action_statement: 'update' }), [], undefined],
    ['under investigation', statement({ status: 'under_investigation' }), [], undefined],
    ['about no product', statement({ products: [] }), [], undefined],
    ['what was scanned as a whole', statement({ products: [{ '@id': image }] }), [image], reason],
    [
      'what was scanned, for this part',
      statement({ products: [{ '@id': image, subcomponents: [{ '@id': 'pkg:npm/lodash' }] }] }),
      [image],
      reason,
    ],
    [
      'what was scanned, for another part',
      statement({ products: [{ '@id': image, subcomponents: [{ '@id': 'pkg:npm/moment' }] }] }),
      [image],
      undefined,
    ],
    [
      'another product with this part',
      statement({ products: [{ '@id': 'pkg:oci/other', subcomponents: [{ '@id': lodash }] }] }),
      [image],
      undefined,
    ],
    [
      'the component as a product with other parts',
      statement({ products: [{ '@id': lodash, subcomponents: [{ '@id': 'pkg:npm/moment' }] }] }),
      [],
      undefined,
    ],
    ['a digest', statement({ products: [{ hashes: { 'sha-256': 'ab12' } }] }), ['sha256:ab12'], reason],
  ];
  for (const [what, one, products, expected] of table) test(what, () => assert.equal(said([one], products), expected));

  test('later statements win, by their own time or that of their document, whatever their order', () => {
    const back = statement({ status: 'under_investigation', timestamp: '2026-03-01T00:00:00Z' });
    assert.equal(said([back, statement()]), undefined);
    assert.equal(said([statement({ timestamp: '2026-04-01T00:00:00+02:00' }), back]), reason);
    assert.equal(said([statement({ last_updated: '2026-04-01T00:00:00Z' }), back]), reason);
    const later = vex([statement({ status: 'affected', action_statement: 'update' })], { timestamp: '2026-02-01T00:00:00Z' });
    for (const documents of [
      [vex([statement()]), later],
      [later, vex([statement()])],
    ])
      assert.equal(applyVex({ findings: [finding()], documents }).findings[0]?.notAffected, undefined);
    assert.equal(said([statement({ status: 'affected', action_statement: 'x' }), statement()]), reason, 'of the same time the last');
  });

  test('statements that meet nothing are told', () => {
    const { unused } = applyVex({
      findings: [finding()],
      documents: [vex([statement(), statement({ vulnerability: { name: 'CVE-1' } })])],
    });
    assert.deepEqual(unused, ['CVE-1 (not_affected, anna)']);
  });

  const bad: readonly [content: string, message: RegExp][] = [
    ['{', /a\.json is not JSON/],
    ['{}', /@context/],
    [JSON.stringify({ ...vex([statement()]), '@context': 'https://openvex.dev/ns/v9.0.0' }), /only OpenVEX 0\.2/],
    [
      JSON.stringify({ ...vex([statement()]), statements: [statement({ justification: undefined })] }),
      /statements\.0.*needs a justification/,
    ],
    [JSON.stringify({ ...vex([statement()]), statements: [statement({ status: 'affected' })] }), /needs an action_statement/],
    [JSON.stringify({ ...vex([statement()]), statements: [statement({ status: 'harmless' })] }), /statements\.0\.status/],
    [JSON.stringify({ ...vex([statement()]), timestamp: 'yesterday' }), /timestamp/],
  ];
  for (const [content, message] of bad)
    test(`refuses ${message.source}`, () => assert.throws(() => parseVex(content, 'a.json'), { code: 'INVALID_INPUT', message }));
});

suite('VEX that is written', () => {
  const options = { author: 'anna', now: new Date('2026-02-02T00:00:00Z'), tooling: 'waybill test' };

  test('says what to do where there is a fix, what VEX has said, and otherwise that somebody has to look', () => {
    const document = vexOf({
      ...options,
      findings: [
        finding(),
        finding({ id: 'CVE-2', aliases: [], fixed: [] }),
        finding({ id: 'CVE-3', aliases: [], notAffected: 'only at build time (anna)' }),
      ],
      accepted: new Map([[finding().key, 'until March']]),
    });
    assert.deepEqual(
      document?.statements.map(({ status, action_statement: action, impact_statement: impact, status_notes: notes }) => [
        status,
        action ?? impact,
        notes,
      ]),
      [
        ['affected', 'Take lodash 4.17.5.', 'accepted: until March'],
        ['under_investigation', undefined, 'accepted: until March'],
        ['not_affected', 'only at build time (anna)', 'accepted: until March'],
      ],
    );
    assert.deepEqual(parseVex(JSON.stringify(document), 'b.json'), document);
    assert.equal(vexOf({ ...options, findings: [] }), undefined);
  });

  test('is read back as what it said', () => {
    const written = vexOf({ ...options, findings: [finding({ notAffected: 'never called (anna)' })], product: 'pkg:oci/shop' });
    assert.ok(written);
    const apply = (products: readonly string[]) =>
      applyVex({ findings: [finding()], documents: [written], products }).findings[0]?.notAffected;
    assert.equal(apply(['pkg:oci/shop']), 'never called (anna) (anna)');
    assert.equal(apply(['pkg:oci/other']), undefined);
  });
});

suite('package URLs', () => {
  const table: readonly [wanted: string, actual: string, covers: boolean][] = [
    ['pkg:npm/%40scope/name@1.0.0', 'pkg:npm/@scope/name@1.0.0', true],
    ['pkg:npm/@scope/name', 'pkg:npm/%40scope/name@2', true],
    ['pkg:NPM/name@1', 'pkg:npm/name@1', true],
    ['pkg:npm/name@1', 'pkg:npm/name', false],
    ['pkg:npm/name@1', 'pkg:npm/name@1.0', false],
    ['pkg:deb/debian/openssl@3?arch=amd64', 'pkg:deb/debian/openssl@3?distro=bookworm&arch=amd64', true],
    ['pkg:deb/debian/openssl@3?arch=arm64', 'pkg:deb/debian/openssl@3?arch=amd64', false],
    ['pkg:golang/example.com/a@v1.0.0#sub', 'pkg:golang/example.com/a@v1.0.0', true],
    ['pkg:golang/example.com/a', 'pkg:golang/example.com/a/v2@v2.0.0', false],
    ['name', 'pkg:npm/name', false],
  ];
  for (const [wanted, actual, covers] of table)
    test(`${wanted} ${covers ? 'means' : 'does not mean'} ${actual}`, () => assert.equal(purlCovers(wanted, actual), covers));
  test('what is none', () => {
    for (const text of ['', 'pkg:', 'pkg:npm', 'pkg:npm/', 'npm/lodash', 'pkg:npm/%zz']) parsePurl(text);
    assert.equal(parsePurl('pkg:npm/'), undefined);
  });
});
