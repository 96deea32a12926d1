import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SnapshotImage } from '../evidence/snapshot.ts';
import { digestOf } from '../kernel/digest.ts';
import { parseGitOid } from '../kernel/git-oid.ts';
import { parseEvidencePolicy } from './evidence-policy.ts';
import type { ImageReference, ImageUse } from './image-use.ts';
import { judgeImage, type Knowledge } from './judge-image.ts';
import { renderVerdict, renderWarning } from './render.ts';

const now = new Date('2026-11-22T12:00:00Z');
const digest = digestOf('shop');
const base = {
  registry: ['r.example', 'other.example:5000/team'],
  mode: 'enforce',
  require: { review: { approvals: 1 }, tests: 'all', provenance: true },
};
const image: SnapshotImage = {
  digest,
  repository: 'shop/shop',
  source: { repository: 'shop', commit: parseGitOid('a'.repeat(40)), tree: parseGitOid('b'.repeat(40)) },
  review: { change: 3, method: 'identical', approvals: ['ada'] },
  tests: [{ stage: 'core', passed: true }],
  provenance: true,
  run: 12,
  validUntil: '2027-01-01T00:00:00Z',
};
const scanned = {
  secrets: { at: '2026-11-20T12:00:00Z' },
  sbom: true,
  vulnerabilities: { at: '2026-11-20T12:00:00Z', worst: 'high', databaseAt: '2026-11-11T12:00:00Z' },
} as const;
const unknown = { ...scanned, vulnerabilities: { ...scanned.vulnerabilities, worst: 'unknown' } } as const;
const late = (high: string) => ({ ...scanned, vulnerabilities: { ...scanned.vulnerabilities, since: { high } } });
const asked = { secrets: true, sbom: true };
const grace = { vulnerabilities: { below: 'high', graceDays: 3 } } as const;
const future = { ...scanned, vulnerabilities: { ...scanned.vulnerabilities, at: '2026-11-23T12:00:00Z' } } as const;
const { review: _review, ...unreviewed } = image;
const reference: ImageReference = { registry: 'r.example', repository: 'shop/shop', digest };
const untagged: ImageReference = { registry: 'r.example', repository: 'shop/shop' };

function use(of: ImageReference = reference): ImageUse {
  return { at: 'spec.containers[0].image', container: 'web', text: 'r.example/shop/shop', reference: of };
}

function knows(images: readonly SnapshotImage[], more: Partial<Knowledge> = {}): Knowledge {
  return { images: () => images, revoked: () => undefined, ...more };
}

type Case = {
  name: string;
  use?: ImageUse;
  images?: SnapshotImage[];
  policy?: object;
  more?: Partial<Knowledge>;
  decision: string;
  rules: string[];
  says?: RegExp;
};

const cases: Case[] = [
  { name: 'everything is there', decision: 'allow', rules: [] },
  ...(
    [
      ['a copy where runs publish', 'c.example', 'team/shop/shop', 'allow', []],
      ['a flat copy', 'docker.io', 'acme/shop-shop', 'allow', []],
      ['a copy under the name of another repository', 'c.example', 'team/shop/other', 'deny', ['papers']],
      ['our own name at a place of copies', 'c.example', 'team/shop', 'deny', ['papers']],
      ['our own name at the host of copies, outside of the place', 'c.example', 'shop/shop', 'deny', ['registry']],
      ['a place that only begins like that of copies', 'c.example', 'team-evil/shop/shop', 'deny', ['registry', 'papers']],
      ['a flat name at a place of paths', 'c.example', 'team/shop-shop', 'deny', ['papers']],
      ['a path at a place of flat names', 'docker.io', 'acme/shop/shop', 'deny', ['papers']],
    ] as const
  ).map(([name, registry, repository, decision, rules]): Case => ({
    name,
    use: use({ registry, repository, digest }),
    policy: { ...base, copies: [{ registry: 'c.example/team' }, { registry: 'docker.io/acme', naming: 'flat' }] },
    decision,
    rules: [...rules],
  })),
  ...(
    [
      ['never scanned', undefined, {}, 'deny', /was never scanned/],
      ['without a scan for credentials', { ...scanned, secrets: undefined }, {}, 'deny', /no paper of a scan for credentials/],
      ['scanned', scanned, {}, 'allow', undefined],
      ['without a list of components', { ...scanned, sbom: undefined }, {}, 'deny', /no list of its components/],
      ['without a list of components, which is not asked for', { ...scanned, sbom: undefined }, { sbom: false }, 'allow', undefined],
      ['with a high one, below critical', scanned, { vulnerabilities: { below: 'critical' } }, 'allow', undefined],
      ['with a high one, below high', scanned, { vulnerabilities: { below: 'high' } }, 'deny', /open vulnerability that is high/],
      [
        'with one that is known since a day',
        late('2026-11-21T12:00:00Z'),
        grace,
        'warn',
        /known only since it was built, .* from 2026-11-24T12:00Z on/,
      ],
      [
        'with one that is known since four days',
        late('2026-11-18T12:00:00Z'),
        grace,
        'deny',
        /open vulnerability that is high, .* is admitted\./,
      ],
      ['with one known since a day, and no grace', late('2026-11-21T12:00:00Z'), { vulnerabilities: { below: 'high' } }, 'deny', /is high/],
      ['with one that was there when it was built', scanned, grace, 'deny', /open vulnerability that is high/],
      ['with one known since nobody can read when', late('lately'), grace, 'deny', /open vulnerability that is high/],
      ['with one of unknown severity', unknown, { vulnerabilities: { below: 'critical' } }, 'deny', /unknown severity/],
      ['looked up two days ago, within 3', scanned, { vulnerabilities: { days: 3 } }, 'allow', undefined],
      ['looked up two days ago, within 1', scanned, { vulnerabilities: { days: 1 } }, 'deny', /more than 1 days ago/],
      ['looked up tomorrow', future, { vulnerabilities: { days: 3 } }, 'deny', /yet to come/],
      ['with advisories of 9 days, within 10', scanned, { vulnerabilities: { databaseDays: 10 } }, 'allow', undefined],
      ['with advisories of 9 days, within 8', scanned, { vulnerabilities: { databaseDays: 8 } }, 'deny', /more than 8 days old/],
      ['with half a look', { ...scanned, vulnerabilities: undefined }, {}, 'deny', /no paper about vulnerabilities/],
    ] as const
  ).map(([name, scans, ask, decision, says]): Case => ({
    name: `scans: ${name}`,
    images: [{ ...image, ...(scans === undefined ? {} : { scans: JSON.parse(JSON.stringify(scans)) }) }],
    policy: { ...base, require: { ...base.require, scans: ask } },
    decision,
    rules: says === undefined ? [] : ['scans'],
    ...(says === undefined ? {} : { says }),
  })),
  {
    name: 'scans: looked up too long ago, besides one in its grace',
    images: [{ ...image, scans: late('2026-11-21T12:00:00Z') }],
    policy: { ...base, require: { ...base.require, scans: { ...asked, vulnerabilities: { ...grace.vulnerabilities, days: 1 } } } },
    decision: 'deny',
    rules: ['scans', 'scans'],
  },
  ...(
    [
      ['vouched for', {}, undefined, 'allow', undefined],
      ['by too few', { approvals: 2 }, undefined, 'deny', /vouched for by 1 of the 2 people/],
      ['none is admitted', false, undefined, 'deny', /no imported images are admitted here/],
      ['signed upstream', { signed: true }, ['ab'.repeat(32)], 'allow', undefined],
      ['not signed upstream', { signed: true }, undefined, 'deny', /without a signature of its upstream by a trusted key \(import 7\)/],
      ['signed by nobody', { signed: true }, [], 'deny', /without a signature of its upstream/],
    ] as const
  ).map(([name, imports, signedBy, decision, says]): Case => ({
    name: `an import: ${name}`,
    images: [
      {
        digest,
        repository: 'shop/shop',
        validUntil: image.validUntil,
        imported: {
          number: 7,
          reference: 'docker.io/library/db:1',
          requestedBy: 'dana',
          approvals: ['rita', 'dana'],
          ...(signedBy === undefined ? {} : { signedBy }),
        },
      },
    ],
    policy: { ...base, require: { ...base.require, imports } },
    decision,
    rules: says === undefined ? [] : ['imports'],
    ...(says === undefined ? {} : { says }),
  })),
  {
    name: 'another registry',
    use: use({ ...reference, registry: 'evil.example' }),
    decision: 'deny',
    rules: ['registry'],
    says: /allowed: r\.example/,
  },
  {
    name: 'a host that begins like the allowed one',
    use: use({ ...reference, registry: 'r.example.evil.com' }),
    decision: 'deny',
    rules: ['registry'],
  },
  {
    name: 'the allowed host on another port',
    use: use({ ...reference, registry: 'r.example:5000' }),
    decision: 'deny',
    rules: ['registry'],
  },
  {
    name: 'inside an allowed prefix',
    use: use({ registry: 'other.example:5000', repository: 'team/shop', digest }),
    images: [{ ...image, repository: 'team/shop' }],
    decision: 'allow',
    rules: [],
  },
  {
    name: 'a path that begins like the allowed prefix',
    use: use({ registry: 'other.example:5000', repository: 'teamster/shop', digest }),
    images: [{ ...image, repository: 'teamster/shop' }],
    decision: 'deny',
    rules: ['registry'],
  },
  {
    name: 'a tag without a digest',
    use: use({ ...untagged, tag: '1.2' }),
    decision: 'deny',
    rules: ['digest'],
    says: /the tag `1\.2` can be moved/,
  },
  { name: 'neither tag nor digest', use: use(untagged), decision: 'deny', rules: ['digest'], says: /latest/ },
  { name: 'tag and digest', use: use({ ...reference, tag: '1.2' }), decision: 'allow', rules: [] },
  { name: 'a text that is no reference', use: { at: 'x', text: 'A B', problem: 'it is none.' }, decision: 'deny', rules: ['reference'] },
  { name: 'no papers', images: [], decision: 'deny', rules: ['papers'], says: /waybill trace sha256:/ },
  {
    name: 'papers of another repository',
    images: [{ ...image, repository: 'shop/other' }],
    decision: 'deny',
    rules: ['papers'],
    says: /shop\/other, not for shop\/shop/,
  },
  {
    name: 'a knowledge that answers with another digest',
    images: [{ ...image, digest: digestOf('x') }],
    decision: 'deny',
    rules: ['papers'],
  },
  {
    name: 'no snapshot ever',
    images: [],
    more: { absent: 'the gate has never had one.' },
    decision: 'deny',
    rules: ['papers'],
    says: /never had/,
  },
  {
    name: 'an outage',
    images: [],
    more: { lookupFailure: 'The last look failed.' },
    decision: 'deny',
    rules: ['papers'],
    says: /look failed/,
  },
  { name: 'empty papers', images: [{ ...unreviewed, tests: [], provenance: false }], decision: 'deny', rules: ['papers'], says: /empty/ },
  { name: 'expired', images: [{ ...image, validUntil: '2026-11-22T12:00:00Z' }], decision: 'deny', rules: ['validity'] },
  { name: 'a date that is none', images: [{ ...image, validUntil: 'for ever' }], decision: 'deny', rules: ['validity'] },
  { name: 'revoked', more: { revoked: () => 'CVE-2026-1' }, decision: 'deny', rules: ['revoked'], says: /CVE-2026-1/ },
  { name: 'not reviewed', images: [unreviewed], decision: 'deny', rules: ['review'], says: /waybill runs show 12/ },
  {
    name: 'one person twice',
    images: [{ ...image, review: { change: 3, method: 'identical', approvals: ['ada', 'Ada ', ''] } }],
    policy: { require: { ...base.require, review: { approvals: 2 } } },
    decision: 'deny',
    rules: ['review'],
    says: /by 1 of the 2/,
  },
  {
    name: 'a mechanical merge',
    images: [{ ...image, review: { change: 3, method: 'mechanical-merge', approvals: ['ada'] } }],
    policy: { require: { ...base.require, review: { approvals: 1, identical: true } } },
    decision: 'deny',
    rules: ['review'],
  },
  { name: 'no tests', images: [{ ...image, tests: [] }], decision: 'deny', rules: ['tests'] },
  {
    name: 'a stage that failed',
    images: [
      {
        ...image,
        tests: [
          { stage: 'core', passed: true },
          { stage: 'e2e', passed: false },
        ],
      },
    ],
    decision: 'deny',
    rules: ['tests'],
    says: /"e2e"/,
  },
  {
    name: 'a stage that is not there',
    policy: { require: { ...base.require, tests: ['core', 'integration'] } },
    decision: 'deny',
    rules: ['tests'],
    says: /"integration"/,
  },
  {
    name: 'a stage with two results',
    images: [
      {
        ...image,
        tests: [
          { stage: 'core', passed: true },
          { stage: 'core', passed: false },
        ],
      },
    ],
    policy: { require: { ...base.require, tests: ['core'] } },
    decision: 'deny',
    rules: ['tests'],
  },
  { name: 'no provenance', images: [{ ...image, provenance: false }], decision: 'deny', rules: ['provenance'] },
  {
    name: 'everything at once',
    images: [{ ...unreviewed, tests: [{ stage: 'core', passed: false }], provenance: false, validUntil: '2020-01-01T00:00:00Z' }],
    decision: 'deny',
    rules: ['validity', 'review', 'tests', 'provenance'],
  },
  { name: 'two entries, one good', images: [unreviewed, image], decision: 'allow', rules: [] },
  { name: 'mode warn', images: [], policy: { mode: 'warn' }, decision: 'warn', rules: ['papers'] },
  { name: 'mode audit', images: [], policy: { mode: 'audit' }, decision: 'allow', rules: ['papers'] },
  {
    name: 'a mode for one rule',
    images: [{ ...image, provenance: false }],
    policy: { rules: { provenance: 'warn' } },
    decision: 'warn',
    rules: ['provenance'],
  },
  {
    name: 'the worst of two modes',
    images: [{ ...unreviewed, provenance: false }],
    policy: { rules: { provenance: 'warn' } },
    decision: 'deny',
    rules: ['review', 'provenance'],
  },
  { name: 'old knowledge', more: { ageWarning: 'It is old.' }, decision: 'warn', rules: ['snapshot'] },
  {
    name: 'an audit that asks for nothing',
    images: [{ ...unreviewed, tests: [], provenance: false }],
    policy: { mode: 'audit', require: { review: { approvals: 0 }, tests: [], provenance: false } },
    decision: 'allow',
    rules: ['papers'],
  },
];

for (const { name, decision, rules, says, ...given } of cases) {
  test(`judgeImage: ${name} → ${decision}`, () => {
    const verdict = judgeImage(
      given.use ?? use(),
      parseEvidencePolicy({ ...base, ...given.policy }),
      knows(given.images ?? [image], given.more),
      now,
    );
    assert.deepEqual({ decision: verdict.decision, rules: verdict.reasons.map((reason) => reason.rule) }, { decision, rules });
    const text = renderVerdict(verdict, 'Pod shop');
    if (says) assert.match(text, says);
    for (const reason of verdict.reasons)
      assert.ok(reason.fix.length > 10 && text.includes(reason.message) && reason.message.endsWith('.'), reason.message);
    assert.doesNotMatch(text, /\n/);
  });
}

test('text from outside stays on one line and short', () => {
  const text = `evil\n\u001b[31m\u202e${'x'.repeat(5_000)}`;
  const verdict = judgeImage(
    { at: `spec\n${'y'.repeat(9_000)}`, container: text, text, problem: 'it is none.' },
    parseEvidencePolicy(base),
    knows([]),
    now,
  );
  assert.doesNotMatch(renderVerdict(verdict, text), /[\p{Cc}\p{Cf}]/u);
  assert.ok(renderVerdict(verdict, text).length <= 4_001);
  for (const reason of verdict.reasons) assert.ok(renderWarning(reason).length <= 256);
});
