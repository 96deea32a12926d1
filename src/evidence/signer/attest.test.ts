import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf, type Digest } from '../../kernel/digest.ts';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import type { GitOid } from '../../kernel/git-oid.ts';
import { checkpointSigner } from '../../ledger/checkpoint-signer.ts';
import { leafHash, memoryTree, rootAt, consistencyProof, type Hash } from '../../ledger/merkle.ts';
import { noteSigner, parseVerifierKey, verifyCheckpoint } from '../../ledger/note.ts';
import { signStatement, type Paper } from '../bundle.ts';
import type { BuildFacts, ImportFacts, ReviewFacts, StageFacts } from '../facts.ts';
import { generateCheckpointKey, parseKeyRing, ringKey, type SigningKey } from '../keys.ts';
import { verifySnapshot } from '../snapshot-envelope.ts';
import { subjectMatches } from '../statement.ts';
import { importPredicate, importType } from '../statements/import.ts';
import { provenanceStatement } from '../statements/provenance.ts';
import { reviewStatement, reviewType } from '../statements/review.ts';
import { imageSummaryPredicate, summaryStatement } from '../statements/summary.ts';
import { testsStatement } from '../statements/tests.ts';
import { vsaType } from '../statements/vsa.ts';
import { build, clock, image, names, newSigner, now, policy, rescan, review, sbom, scan, stage } from '../testing/shop.ts';
import { verifyBundle } from '../verify.ts';
import { makeAttestor, type AttestorOptions } from './attest.ts';
import type { FactsSource } from './facts-source.ts';
import { signedHeadSchema, signedSnapshotSchema, stateFile } from './state-file.ts';

const { key, ring } = newSigner();
const stranger = newSigner().key;
const elsewhere = { ...build.source, commit: '9'.repeat(40) as GitOid };
const otherTree = { ...build.source, tree: '8'.repeat(40) as GitOid };

function signAll(
  by: SigningKey,
  facts: { review?: ReviewFacts; stages?: StageFacts[]; build?: BuildFacts; about?: BuildFacts['image'] } = {},
): Paper[] {
  const about = facts.about ?? build.image;
  return [
    signStatement(reviewStatement(facts.review ?? review, names, about), by),
    ...(facts.stages ?? [stage('lint'), stage('unit')]).map((s) => signStatement(testsStatement(s, names, about), by)),
    signStatement(provenanceStatement(facts.build ?? { ...build, image: about }, names), by),
  ];
}

/** The summary that the base of the shop's image has. */
function baseSummary(by: SigningKey = key, more: { digest?: Digest; validUntil?: string } = {}): Paper {
  const digest = more.digest ?? build.base?.digest ?? digestOf('');
  const { commit, tree } = build.source;
  const { validUntil = '2027-01-01T00:00:00.000Z' } = more;
  const entry = {
    digest,
    repository: 'bases/node',
    source: { repository: 'bases', commit, tree },
    tests: [],
    provenance: true,
    run: 2,
    validUntil,
  };
  return signStatement(summaryStatement({ names, policy, at: now, inputs: [], levels: [], image: entry }), by);
}

const imported: ImportFacts = {
  number: 1,
  image: { repository: 'import/db', digest: digestOf('a database') },
  reference: 'docker.io/library/db:1',
  reason: 'the shop keeps its orders in it',
  requestedBy: 'dana',
  requestedAt: '2026-11-20T10:00:00Z',
  approvals: [{ reviewer: 'rita', at: '2026-11-20T11:00:00Z' }],
  importedAt: '2026-11-20T11:01:00Z',
};

test('an import is signed with who vouched for it, and its summary is what the gate looks at', async () => {
  await using t = await attestor();
  const { papers, signature } = await t.attest({ kind: 'import', number: 7 });
  assert.deepEqual(
    papers.map((paper) => paper.predicateType),
    [importType, vsaType],
  );
  const [paper, summary] = papers.map((each) => verifyBundle(each.bundle, ring, clock.now()).statement);
  assert.ok(paper && summary && subjectMatches(paper, imported.image.digest) && subjectMatches(summary, imported.image.digest));
  assert.deepEqual(importPredicate.parse(paper.predicate).approvals, imported.approvals);
  const { waybill } = imageSummaryPredicate.parse(summary.predicate);
  assert.deepEqual(waybill.imported, { number: 7, reference: imported.reference, requestedBy: 'dana', approvals: ['rita'] });
  assert.ok(signature.payload.length > 0);
});

test('an import that its upstream has signed says so in its paper and to the gate; what does not hold is said, and is no signature', async () => {
  const verified = {
    outcome: 'verified',
    found: 2,
    required: true,
    verified: [{ form: 'bundle', keyId: 'ab'.repeat(32), images: 'docker.io/library/*' }],
    problems: ['a bundle by a trusted key is about another digest'],
  } as const;
  for (const [signatures, signedBy] of [
    [{ ...verified, verified: [...verified.verified], problems: [...verified.problems] }, ['ab'.repeat(32)]],
    [{ outcome: 'bad' as const, found: 1, required: false, verified: [], problems: ['another digest'] }, undefined],
  ] as const) {
    await using t = await attestor({
      import: async () => ({
        ...imported,
        signatures: { ...signatures, verified: [...signatures.verified], problems: [...signatures.problems] },
      }),
    });
    const { papers } = await t.attest({ kind: 'import', number: 1 });
    const [paper, summary] = papers.map((each) => verifyBundle(each.bundle, ring, clock.now()).statement);
    assert.deepEqual(importPredicate.parse(paper?.predicate).upstreamSignatures, signatures);
    assert.deepEqual(imageSummaryPredicate.parse(summary?.predicate).waybill.imported?.signedBy, signedBy);
  }
});

for (const [name, approvals] of Object.entries({
  'that nobody approved': [],
  'that was approved by whoever asked': [{ reviewer: 'dana', at: '2026-11-20T11:00:00Z' }],
}))
  test(`an import ${name} is not signed`, async () => {
    await using t = await attestor({ import: async () => ({ ...imported, approvals }) });
    await assert.rejects(t.attest({ kind: 'import', number: 1 }), (error) => isWaybillError(error, 'VERDICT_REFUSED'));
  });

type Overrides = Partial<FactsSource> & { papersList?: Paper[] };

async function attestor(overrides: Overrides = {}, options: Partial<AttestorOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'signer-'));
  const tree = memoryTree();
  const origin = 'waybill.test/ledger';
  const signer = noteSigner(origin, generateCheckpointKey().privateKey);
  const heads = stateFile(join(folder, 'head.json'), signedHeadSchema);
  const checkpoints = checkpointSigner({
    origin,
    signer,
    memory: { load: async () => (await heads.load()) as { size: number; root: Hash } | undefined, save: heads.save },
  });
  const facts: FactsSource = {
    review: async () => review,
    tests: async (_, name) => stage(name),
    build: async (run, name) => {
      if (run === build.run && name === build.image.name) return build;
      throw new WaybillError('NOT_FOUND', 'no such image');
    },
    scan: async (_, kind) => scan(kind),
    imageScan: async () => scan('image'),
    imageRescan: async () => rescan(),
    looks: async () => [],
    sbom: async () => sbom,
    requiredScans: async () => [],
    import: async (number) => ({ ...imported, number }),
    requiredStages: async () => ['lint', 'unit'],
    papers: async (digest) => (digest === build.base?.digest ? [baseSummary()] : (overrides.papersList ?? [])).map((paper) => paper.bundle),
    ledgerHead: async (from) => ({
      size: tree.size(),
      root: rootAt(tree.size(), tree.lookup),
      consistency: from <= tree.size() ? consistencyProof(from, tree.size(), tree.lookup) : [],
    }),
    snapshot: async () => ({ sequence: tree.size(), summaries: [], revoked: [] }),
    ...overrides,
  };
  const attest = makeAttestor({
    papersKey: key,
    ring,
    checkpoints: { ...checkpoints, sign: (head) => checkpoints.sign({ ...head, root: head.root as Hash }) },
    snapshotState: stateFile(join(folder, 'snapshot.json'), signedSnapshotSchema),
    clock,
    names,
    policy,
    facts,
    ...options,
  });
  return {
    attest,
    tree,
    verifier: parseVerifierKey(signer.verifierKey),
    folder,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

test('the whole way: the attestor’s own papers satisfy its verdict, and the summary carries the facts of the gate', async () => {
  const papersList: Paper[] = [];
  await using a = await attestor({ papersList });
  papersList.push(...(await a.attest({ kind: 'review', run: 12, image: 'shop' })).papers);
  for (const name of ['lint', 'unit']) papersList.push(...(await a.attest({ kind: 'tests', run: 12, stage: name, image: 'shop' })).papers);
  papersList.push(...(await a.attest({ kind: 'provenance', run: 12, image: 'shop' })).papers);
  const { papers, signature } = await a.attest({ kind: 'summary', run: 12, image: 'shop' });
  const summary = imageSummaryPredicate.parse(verifyBundle(papers[0]?.bundle ?? '', ring, now).statement.predicate);
  assert.deepEqual(summary.waybill, {
    digest: image,
    repository: 'shop/shop',
    source: { repository: 'shop', commit: build.source.commit, tree: build.source.tree },
    review: { change: 3, method: 'identical', approvals: ['rosa'] },
    tests: [
      { stage: 'lint', passed: true },
      { stage: 'unit', passed: true },
    ],
    provenance: true,
    run: 12,
    validUntil: '2027-02-20T12:00:00.000Z',
  });
  assert.deepEqual(summary.verifiedLevels, ['SLSA_BUILD_LEVEL_1']);
  const inputs = papersList.filter((paper) => !paper.predicateType.includes('verification_summary'));
  assert.deepEqual(
    summary.inputAttestations?.map((i) => `sha256:${i.digest['sha256']}`).sort(),
    inputs.map((paper) => paper.digest).sort(),
  );
  assert.ok(signature.payload.includes(image));
});

const honest = signAll(key);
const allScans = async () => ['secrets', 'dependencies', 'image'] as const;

/** The papers of all scans, made by the attestor itself. */
async function scanPapers(overrides: Overrides = {}): Promise<Paper[]> {
  await using a = await attestor(overrides);
  const of = { run: 12, image: 'shop' };
  return [
    ...(await a.attest({ kind: 'scan', scan: 'secrets', ...of })).papers,
    ...(await a.attest({ kind: 'scan', scan: 'dependencies', ...of })).papers,
    ...(await a.attest({ kind: 'sbom', ...of })).papers,
    ...(await a.attest({ kind: 'image-scan', ...of })).papers,
  ];
}

test('with the papers of all scans, the summary says what is open in the image and how old the advisories were', async () => {
  await using a = await attestor({ papersList: [...honest, ...(await scanPapers())], requiredScans: allScans });
  const { papers } = await a.attest({ kind: 'summary', run: 12, image: 'shop' });
  const { waybill } = imageSummaryPredicate.parse(verifyBundle(papers[0]?.bundle ?? '', ring, now).statement.predicate);
  assert.deepEqual(waybill.imported ? undefined : waybill.scans, {
    secrets: { at: '2026-11-22T10:06:01.000Z' },
    sbom: true,
    vulnerabilities: { at: '2026-11-22T10:06:01.000Z', worst: 'medium', databaseAt: '2026-11-21T00:00:00Z' },
  });
});

for (const [at, missing] of [/scan of secrets/, /scan of dependencies/, /no list of components/, /scan of the image/].entries())
  test(`without one of the papers of scans there is no summary: ${missing.source}`, async () => {
    const scans = await scanPapers();
    await using a = await attestor({ papersList: [...honest, ...scans.toSpliced(at, 1)], requiredScans: allScans });
    await assert.rejects(
      a.attest({ kind: 'summary', run: 12, image: 'shop' }),
      (error) => isWaybillError(error, 'VERDICT_REFUSED') && missing.test(error.detail),
    );
  });

test('a later look counts for image and source in a summary, better or worse, and is worth nothing without the look of the run', async () => {
  const scans = await scanPapers();
  await using a = await attestor();
  const { papers: again } = await a.attest({ kind: 'image-rescan', run: 12, image: 'shop' });
  for (const papersList of [
    [...honest, ...scans, ...again],
    [...again, ...scans, ...honest],
  ]) {
    await using b = await attestor({ papersList, requiredScans: allScans });
    const { papers } = await b.attest({ kind: 'summary', run: 12, image: 'shop' });
    const { waybill } = imageSummaryPredicate.parse(verifyBundle(papers[0]?.bundle ?? '', ring, now).statement.predicate);
    assert.deepEqual(waybill.imported ? undefined : waybill.scans?.vulnerabilities, {
      at: '2026-11-22T11:00:00.000Z',
      worst: 'critical',
      databaseAt: '2026-11-22T00:00:00Z',
    });
  }
  await using c = await attestor({ papersList: [...honest, ...scans.slice(0, 3), ...again], requiredScans: allScans });
  await assert.rejects(c.attest({ kind: 'summary', run: 12, image: 'shop' }), /no paper of the scan of the image/);
});

test('papers of scans of another source count for nothing', async () => {
  const scans = await scanPapers({
    scan: async (_, kind) => scan(kind, { source: otherTree }),
    imageScan: async () => scan('image', { source: otherTree }),
    sbom: async () => ({ ...sbom, source: otherTree }),
    build: async () => ({ ...build, source: otherTree }),
  });
  await using a = await attestor({ papersList: [...honest, ...scans], requiredScans: allScans });
  await assert.rejects(a.attest({ kind: 'summary', run: 12, image: 'shop' }), { code: 'VERDICT_REFUSED' });
});

const refusedScans: readonly [string, Overrides, Parameters<Awaited<ReturnType<typeof attestor>>['attest']>[0]][] = [
  ['of another run', { scan: async (_, kind) => scan(kind, { run: 13 }) }, { kind: 'scan', run: 12, scan: 'secrets' }],
  ['of another kind', { scan: async () => scan('dependencies') }, { kind: 'scan', run: 12, scan: 'secrets' }],
  [
    'without rules',
    { scan: async () => scan('secrets', { rules: { count: 0, digest: digestOf('') } }) },
    { kind: 'scan', run: 12, scan: 'secrets' },
  ],
  [
    'with a credential that nobody accepted',
    { scan: async () => scan('secrets', { findings: [{ kind: 'secret', id: 'aws', severity: 'high', isNew: true, fails: true }] }) },
    { kind: 'scan', run: 12, scan: 'secrets' },
  ],
  [
    'of another image',
    { imageScan: async () => scan('image', { image: { repository: 'shop/shop', digest: digestOf('x') } }) },
    { kind: 'image-scan', run: 12, image: 'shop' },
  ],
  ['of no image', { imageScan: async () => scan('dependencies') }, { kind: 'image-scan', run: 12, image: 'shop' }],
  [
    'again, of another image',
    { imageRescan: async () => rescan({ image: { repository: 'shop/shop', digest: digestOf('x') } }) },
    { kind: 'image-rescan', run: 12, image: 'shop' },
  ],
  [
    'again, of another source',
    { imageRescan: async () => rescan({ source: otherTree }) },
    { kind: 'image-rescan', run: 12, image: 'shop' },
  ],
  ['again, by another run', { imageRescan: async () => rescan({ run: 13 }) }, { kind: 'image-rescan', run: 12, image: 'shop' }],
  [
    'for another image’s components',
    { sbom: async () => ({ ...sbom, image: { repository: 'other', digest: image } }) },
    { kind: 'sbom', run: 12, image: 'shop' },
  ],
];
for (const [name, overrides, request] of refusedScans)
  test(`a scan ${name} is not signed`, async () => {
    await using a = await attestor(overrides);
    await assert.rejects(a.attest(request), { code: 'VERDICT_REFUSED' });
  });

test('a list of components that is no CycloneDX is not signed', async () => {
  await using a = await attestor({ sbom: async () => ({ ...sbom, document: { spdxVersion: '2.3' } }) });
  await assert.rejects(a.attest({ kind: 'sbom', run: 12, image: 'shop' }));
});

const without = (papers: Paper[], at: number) => papers.toSpliced(at, 1);
const forged = signAll(stranger);
const impostor = signAll({ ...stranger, keyId: key.keyId });
const otherImage = { ...build.image, digest: digestOf('another image') };
const failed = testsStatement(stage('unit'), names, build.image);
const unsigned: [string, Overrides, RegExp][] = [
  ['no papers', { papersList: [] }, /no review; .*no provenance; .*"lint".*"unit"/],
  ['no review', { papersList: without(honest, 0) }, /no review$/],
  ['a stage without a paper', { papersList: without(honest, 2) }, /stage "unit"/],
  ['no provenance', { papersList: without(honest, 3) }, /no provenance/],
  ['no required stages', { papersList: honest, requiredStages: async () => [] }, /no stage is required/],
  ['a required stage that nobody tested', { papersList: honest, requiredStages: async () => ['lint', 'unit', 'core'] }, /stage "core"/],
  ['papers of an unknown key', { papersList: forged }, /no review.*does not count.*has no key/],
  ['papers in the name of our key', { papersList: impostor }, /no review.*the signature is not by the key/],
  ['one forged paper among honest ones', { papersList: [...without(honest, 0), ...impostor.slice(0, 1)] }, /no review; .*signature/],
  ['papers about another image', { papersList: signAll(key, { about: otherImage }) }, /no review.*another image/],
  [
    'a review of another commit',
    { papersList: [...without(honest, 0), ...signAll(key, { review: { ...review, source: elsewhere } }).slice(0, 1)] },
    /no review.*another commit or tree/,
  ],
  [
    'a review of another tree of the same commit',
    { papersList: [...without(honest, 0), ...signAll(key, { review: { ...review, source: otherTree } }).slice(0, 1)] },
    /no review.*another commit or tree/,
  ],
  [
    'tests of another tree',
    { papersList: [...without(honest, 2), ...signAll(key, { stages: [{ ...stage('unit'), source: otherTree }] }).slice(1, 2)] },
    /"unit".*another commit or tree/,
  ],
  [
    'a provenance of another commit',
    { papersList: [...without(honest, 3), ...signAll(key, { build: { ...build, source: elsewhere } }).slice(-1)] },
    /no provenance.*another commit or tree/,
  ],
  [
    'a provenance by another builder',
    { papersList: [...without(honest, 3), signStatement(provenanceStatement(build, { ...names, builderId: 'https://elsewhere' }), key)] },
    /no provenance.*https:\/\/elsewhere/,
  ],
  [
    'a provenance with other layers',
    { papersList: [...without(honest, 3), signStatement(provenanceStatement({ ...build, layers: [] }, names), key)] },
    /no provenance.*other layers/,
  ],
  [
    'a paper that says the tests failed',
    { papersList: [...without(honest, 2), signStatement({ ...failed, predicate: { ...failed.predicate, result: 'FAILED' } }, key)] },
    /"unit" did not pass/,
  ],
  [
    'a paper with a failed test in it',
    { papersList: [...without(honest, 2), signStatement({ ...failed, predicate: { ...failed.predicate, failedTests: ['x'] } }, key)] },
    /"unit" did not pass/,
  ],
  [
    'a review by the author alone',
    { papersList: [...without(honest, 0), ...signAll(key, { review: { ...review, authors: ['rosa'] } }).slice(0, 1)] },
    /no review.*rosa approved a change of their own/,
  ],
  [
    'an identical merge of another tree',
    { papersList: [...without(honest, 0), ...signAll(key, { review: { ...review, reviewedTree: otherTree.tree } }).slice(0, 1)] },
    /no review.*reviewed tree/,
  ],
  [
    'commit and tree from two descriptors',
    {
      papersList: [
        ...without(honest, 0),
        signStatement(
          {
            ...reviewStatement(review, names, build.image),
            subject: [
              { digest: { sha256: image.slice(7) } },
              { digest: { gitCommit: build.source.commit, gitTree: otherTree.tree } },
              { digest: { gitCommit: elsewhere.commit, gitTree: build.source.tree } },
            ],
          },
          key,
        ),
      ],
    },
    /no review.*another commit or tree/,
  ],
  [
    'a build that now has another digest',
    { papersList: honest, build: async () => ({ ...build, image: otherImage }) },
    /no review.*another image/,
  ],
];
for (const [what, overrides, message] of unsigned)
  test(`no summary: ${what}`, async () => {
    await using a = await attestor(overrides);
    await assert.rejects(a.attest({ kind: 'summary', run: 12, image: 'shop' }), (e) => {
      assert.ok(isWaybillError(e, 'VERDICT_REFUSED'), String(e));
      assert.match(e.detail, message);
      return true;
    });
  });

const badBases: [string, Paper[]][] = [
  ['without papers', []],
  ['whose summary somebody else signed', [baseSummary(stranger)]],
  ['whose summary is of another image', [baseSummary(key, { digest: digestOf('another base') })]],
  ['whose summary no longer holds', [baseSummary(key, { validUntil: now.toISOString() })]],
  ['that was reviewed, and has no verdict', signAll(key, { about: { ...build.image, digest: digestOf('base') } })],
];
for (const [what, ofBase] of badBases)
  test(`no summary: a base ${what}`, async () => {
    const papers = async (digest: Digest) => (digest === build.base?.digest ? ofBase : honest).map((paper) => paper.bundle);
    await using a = await attestor({ papers });
    await assert.rejects(a.attest({ kind: 'summary', run: 12, image: 'shop' }), (e) => {
      assert.ok(isWaybillError(e, 'VERDICT_REFUSED'), String(e));
      assert.match(e.detail, /its base .* has no summary that holds/);
      return true;
    });
  });

test('no summary: a base that the policy on bases refuses, by what its verified papers say', async () => {
  const seen: unknown[] = [];
  const papers = async (digest: Digest) =>
    (digest === build.base?.digest ? [baseSummary(stranger), baseSummary()] : honest).map((paper) => paper.bundle);
  const refuseBase: AttestorOptions['refuseBase'] = (base, facts) => {
    seen.push([base.reference, facts]);
    return 'it is too old';
  };
  await using a = await attestor({ papers }, { refuseBase });
  await assert.rejects(a.attest({ kind: 'summary', run: 12, image: 'shop' }), /its base .*node:24 .* is not allowed: it is too old/);
  // One paper, not two: what a stranger signed counts for nothing.
  assert.deepEqual(seen, [['docker.io/library/node:24', [{ repository: 'bases/node', from: 'build', signedAt: now.toISOString() }]]]);
});

const second = { reference: 'registry.waybill.test/tools:1', digest: digestOf('another base') };
const dockerBuild = { ...build, dockerfile: { file: 'Dockerfile', engine: 'buildah 1.28.2', bases: [second] } };

test('every base that a Dockerfile names needs a summary of its own', async () => {
  const signed = signAll(key, { build: dockerBuild });
  const papers = (known: readonly string[]) => async (digest: Digest) =>
    (digest === build.base?.digest
      ? [baseSummary()]
      : digest === second.digest
        ? known.includes(second.digest)
          ? [baseSummary(key, { digest: second.digest })]
          : []
        : signed
    ).map((paper) => paper.bundle);
  await using without = await attestor({ build: async () => dockerBuild, papers: papers([]) });
  await assert.rejects(
    without.attest({ kind: 'summary', run: 12, image: 'shop' }),
    /its base registry.waybill.test\/tools:1 .* has no summary that holds/,
  );
  await using whole = await attestor({ build: async () => dockerBuild, papers: papers([second.digest]) });
  assert.equal((await whole.attest({ kind: 'summary', run: 12, image: 'shop' })).papers.length, 1);
});

test('a provenance that says another kind of build, or leaves a base out, counts for nothing', async () => {
  const papers = (signed: Paper[]) => async (digest: Digest) =>
    (digest === build.image.digest ? signed : [baseSummary(key, { digest })]).map((paper) => paper.bundle);
  for (const claimed of [build, { ...dockerBuild, dockerfile: { ...dockerBuild.dockerfile, bases: [] } }]) {
    await using a = await attestor({ build: async () => dockerBuild, papers: papers(signAll(key, { build: claimed })) });
    await assert.rejects(a.attest({ kind: 'summary', run: 12, image: 'shop' }), /there is no provenance/);
  }
});

test('bad papers beside a whole set do no harm', async () => {
  await using a = await attestor({ papersList: [...forged, ...impostor, ...honest, ...signAll(key, { about: otherImage })] });
  const { papers } = await a.attest({ kind: 'summary', run: 12, image: 'shop' });
  const { inputAttestations } = imageSummaryPredicate.parse(verifyBundle(papers[0]?.bundle ?? '', ring, now).statement.predicate);
  assert.deepEqual(
    inputAttestations?.map((i) => `sha256:${i.digest['sha256']}`),
    honest.map((paper) => paper.digest),
  );
});

const facts: [string, Overrides, Parameters<Awaited<ReturnType<typeof attestor>>['attest']>[0], RegExp][] = [
  ['a review without approvals', { review: async () => ({ ...review, approvals: [] }) }, { kind: 'review', run: 12 }, /nobody approved/],
  ['a self-approved change', { review: async () => ({ ...review, authors: ['rosa'] }) }, { kind: 'review', run: 12 }, /rosa approved/],
  [
    'an image of another commit',
    { review: async () => ({ ...review, source: elsewhere }) },
    { kind: 'review', run: 12, image: 'shop' },
    /is built from/,
  ],
  [
    'tests of another run',
    { tests: async (_, name) => ({ ...stage(name), run: 13 }) },
    { kind: 'tests', run: 12, stage: 'lint' },
    /did not pass/,
  ],
  [
    'a stage without jobs',
    { tests: async (_, name) => ({ ...stage(name), jobs: [] }) },
    { kind: 'tests', run: 12, stage: 'lint' },
    /did not pass/,
  ],
  ['an image that was not built', {}, { kind: 'provenance', run: 12, image: 'other' }, /no such image/],
  [
    'an image of another run',
    { build: async () => ({ ...build, run: 13 }) },
    { kind: 'provenance', run: 12, image: 'shop' },
    /did not build/,
  ],
];
for (const [what, overrides, request, message] of facts)
  test(`no paper: ${what}`, async () => {
    await using a = await attestor(overrides);
    await assert.rejects(a.attest(request), (e) => isWaybillError(e, 'VERDICT_REFUSED', 'NOT_FOUND') && message.test(e.detail));
  });

test('an expired or unknown key of its own signs nothing', async () => {
  for (const own of [{ keys: [] }, { keys: [ringKey(key.publicKey, { validFrom: new Date(0), validUntil: now })] }]) {
    await using a = await attestor({ papersList: honest }, { ring: own });
    for (const request of [{ kind: 'provenance', run: 12, image: 'shop' }, { kind: 'snapshot' }] as const)
      await assert.rejects(a.attest(request), (e) => isWaybillError(e, 'PAPER_UNKNOWN_KEY', 'PAPER_KEY_EXPIRED'));
  }
});

test('checkpoints follow the ledger forward, and no rollback is signed, also after a restart', async () => {
  await using a = await attestor();
  for (let i = 0; i < 5; i += 1) a.tree.append(leafHash(String(i)));
  assert.equal(verifyCheckpoint((await a.attest({ kind: 'checkpoint' })).note, [a.verifier]).size, 5);
  a.tree.append(leafHash('5'));
  assert.equal(verifyCheckpoint((await a.attest({ kind: 'checkpoint' })).note, [a.verifier]).size, 6);
  assert.deepEqual(await stateFile(join(a.folder, 'head.json'), signedHeadSchema).load(), { size: 6, root: rootAt(6, a.tree.lookup) });
  await using rolledBack = await attestor({
    ledgerHead: async () => ({ size: 2, root: rootAt(2, a.tree.lookup), consistency: [] }),
  });
  await stateFile(join(rolledBack.folder, 'head.json'), signedHeadSchema).save({ size: 6, root: rootAt(6, a.tree.lookup) });
  await assert.rejects(rolledBack.attest({ kind: 'checkpoint' }), (e) => isWaybillError(e, 'VERDICT_REFUSED'));
});

test('a damaged state file stops the signer: it is not taken for a first start', async () => {
  await using a = await attestor();
  const { writeFile } = await import('node:fs/promises');
  for (const name of ['head.json', 'snapshot.json']) await writeFile(join(a.folder, name), '{"size":');
  for (const kind of ['checkpoint', 'snapshot'] as const)
    await assert.rejects(a.attest({ kind }), (e) => isWaybillError(e, 'STORE_FAILED'));
});

test('a snapshot holds what valid summaries say, without revoked, expired and forged ones', async () => {
  await using a = await attestor({ papersList: honest });
  const [good] = (await a.attest({ kind: 'summary', run: 12, image: 'shop' })).papers;
  assert.ok(good);
  const recordedAt = now.toISOString();
  const snapshotOf = async (
    summaries: { bundle: string; recordedAt: string }[],
    revoked: { digest: Digest; reason: string }[] = [],
    at = now,
  ) => {
    await using b = await attestor({ snapshot: async () => ({ sequence: 5, summaries, revoked }) }, { clock: { now: () => at } });
    return verifySnapshot((await b.attest({ kind: 'snapshot' })).envelope, ring, at);
  };
  const statement = verifyBundle(good.bundle, ring, now).statement;
  const moved = { ...statement, subject: [{ digest: { sha256: '0'.repeat(64) } }] };
  const snapshot = await snapshotOf([
    { bundle: good.bundle, recordedAt },
    { bundle: signStatement(statement, stranger).bundle, recordedAt },
    { bundle: signStatement(moved, key).bundle, recordedAt },
    { bundle: honest[0]?.bundle ?? '', recordedAt },
    { bundle: 'garbage', recordedAt },
  ]);
  assert.equal(snapshot.sequence, 5);
  assert.deepEqual(
    snapshot.images.map((entry) => entry.digest),
    [image],
  );
  const reason = { digest: image, reason: 'leaked' };
  const withoutIt = await snapshotOf([{ bundle: good.bundle, recordedAt }], [reason]);
  assert.deepEqual([withoutIt.images, withoutIt.revoked], [[], [reason]]);
  assert.deepEqual((await snapshotOf([{ bundle: good.bundle, recordedAt }], [], new Date('2027-06-01T00:00:00Z'))).images, []);
});

test('a snapshot never goes backwards', async () => {
  let sequence = 5;
  await using a = await attestor({ snapshot: async () => ({ sequence, summaries: [], revoked: [] }) });
  await Promise.all([a.attest({ kind: 'snapshot' }), a.attest({ kind: 'snapshot' })]);
  sequence = 4;
  await assert.rejects(a.attest({ kind: 'snapshot' }), (e) => isWaybillError(e, 'VERDICT_REFUSED'));
  sequence = 6;
  await a.attest({ kind: 'snapshot' });
});

test('the signer tells its public keys', async () => {
  await using a = await attestor();
  const keys = await a.attest({ kind: 'keys' });
  assert.deepEqual(
    parseKeyRing(keys.ring).keys.map((k) => k.keyId),
    [key.keyId],
  );
  assert.equal(parseVerifierKey(keys.checkpoint).name, 'waybill.test/ledger');
  assert.ok(!JSON.stringify(keys).includes('PRIVATE'));
});

test('the review request gives the review and the source summary', async () => {
  await using a = await attestor();
  const { papers } = await a.attest({ kind: 'review', run: 12 });
  assert.deepEqual(
    papers.map((paper) => paper.predicateType),
    [reviewType, 'https://slsa.dev/verification_summary/v1'],
  );
});
