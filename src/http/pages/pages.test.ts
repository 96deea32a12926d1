import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SinceReleaseView } from '../../api/since-views.ts';
import type { ChangeView } from '../../api/change-views.ts';
import type { ImportView } from '../../api/import-views.ts';
import type { RunView } from '../../api/run-views.ts';
import type { ScanView, FindingView } from '../../api/scan-views.ts';
import { changePage } from './change.ts';
import { homePage } from './home.ts';
import { html, Html } from './html.ts';
import { imagePage } from './image.ts';
import { importPage } from './import.ts';
import { page } from './layout.ts';
import { maxLines, tailOf, type LogLine } from './log.ts';
import { failurePage, loginPage } from './login.ts';
import { paperFacts, paperTitle } from './paper.ts';
import { took } from './parts.ts';
import { plain } from './plain.ts';
import { chooseLog } from './run-parts.ts';
import { runPage } from './run.ts';
import { colours } from './style.ts';

const at = '2026-11-22T10:00:00.000Z';
const now = new Date('2026-11-22T10:01:00.000Z');
const digest = `sha256:${'a1'.repeat(32)}`;
const oid = 'b2'.repeat(20);
/** Markup, the end of an attribute, of a script and of a comment, a terminal's sequences, and a turned line. */
const hostile = `"'><script>pwned()</script><img src=x onerror=pwned()>--></title></style>\u001b[31mred\u001b]0;owned\u0007\u009b2J\u0008\u202Egnp.exe`;

const change: ChangeView = {
  id: 3,
  repository: 'shop',
  branch: 'main',
  title: 'Say what the shop is',
  state: 'open',
  versions: [
    { version: 1, base: oid, head: oid, tree: oid, pusher: 'dana', pushedAt: at },
    { version: 2, base: oid, head: oid, tree: oid, pusher: 'dana', pushedAt: at },
  ],
  reviews: [{ reviewer: 'rita', verdict: 'approve', version: 1, current: false, comment: 'Reads well.', at }],
  runs: [{ id: 7, event: 'change', version: 2, status: 'passed' }],
};

const run: RunView = {
  id: 4,
  repository: 'shop',
  event: 'merge',
  commit: oid,
  tree: oid,
  reviewed: true,
  change: { id: 3, version: 2 },
  requestedBy: 'rita',
  status: 'running',
  createdAt: at,
  notes: [],
  stages: [
    {
      name: 'lint',
      status: 'reused',
      executedIn: 2,
      jobs: [{ name: 'lint', status: 'waiting', steps: [{ name: 'npm run lint', status: 'waiting' }] }],
    },
    {
      name: 'core',
      status: 'failed',
      startedAt: at,
      finishedAt: '2026-11-22T10:00:05.500Z',
      reason: 'step 1 (npm test): exit code 1',
      jobs: [
        {
          name: 'unit',
          status: 'failed',
          startedAt: at,
          finishedAt: '2026-11-22T10:00:05.500Z',
          steps: [{ name: 'npm test', status: 'failed', exitCode: 1, startedAt: at, finishedAt: '2026-11-22T10:00:05.500Z' }],
        },
      ],
    },
  ],
  scans: [],
  images: [{ name: 'shop', status: 'running', startedAt: at }],
  deploys: [{ environment: 'demo', status: 'waiting' }],
  compared: [],
  papers: [{ predicateType: 'https://waybill.dev/review/v1', subject: digest, ledgerIndex: 9, at }],
};
const scan: ScanView = {
  name: 'dependencies',
  record: digest,
  scanner: 'waybill 0.1.0',
  passed: false,
  level: 'new',
  reasons: ['new: CVE-2018-16487 in lodash 4.17.4 in package-lock.json'],
  notes: ['a waiver meets nothing any more: CVE-1 (anna)'],
  startedAt: at,
  finishedAt: at,
  covered: {
    files: 12,
    bytes: 2_000_000,
    components: 30,
    databases: [{ ecosystem: 'npm', advisories: 467, updatedAt: at }],
    skipped: [],
    skippedCount: 0,
  },
  findings: [
    {
      kind: 'vulnerability',
      id: 'CVE-2018-16487',
      key: 'k',
      severity: 'high',
      title: 'CVE-2018-16487 in lodash 4.17.4',
      fix: 'Take lodash 4.17.11.',
      where: ['package-lock.json:9'],
      isNew: true,
      fails: true,
      component: 'pkg:npm/lodash@4.17.4',
      paths: [['./', 'pkg:npm/async@2.6.0', 'pkg:npm/lodash@4.17.4']],
    },
  ],
  findingCount: 1,
};
const since: SinceReleaseView = {
  environment: 'production',
  comparison: digest,
  comparedAt: at,
  levels: ['new-high'],
  passed: false,
  reasons: ['image shop: new: CVE-2018-16487 in lodash 4.17.4 in package-lock.json', 'there are no advisories for Go'],
  release: { id: 3, run: 2, commit: oid, at: '2026-11-19T09:00:00.000Z' },
  found: { fresh: 1, gone: 1, learned: 0, kept: 4, worst: 'high' },
  parts: [
    {
      name: 'image shop',
      now: digest,
      was: digest,
      fresh: scan.findings,
      gone: scan.findings.map((finding) => ({ ...finding, title: 'CVE-2017-1 in left-behind 1.0.0', isNew: false, fails: false })),
      learned: [],
      found: { fresh: 1, gone: 1, learned: 0, kept: 4, worst: 'high' },
      databases: scan.covered.databases,
      notes: ['credentials were looked for with other rules at the release'],
    },
  ],
  removed: ['worker'],
};
const none = { scans: [], since: [], now };
const line = (text: string, stream = 'stdout'): LogLine => ({ at, stream, text });
const shownRun = (view: RunView, lines: readonly LogLine[] = []) =>
  runPage({
    view,
    scans: [],
    since: [],
    now,
    picked: false,
    logs: ['stage/core/unit'],
    log: { name: 'stage/core/unit', lines, total: lines.length },
  }).text;

/** The same words everywhere that somebody else can choose a text. */
function everywhere(text: string): Readonly<Record<string, string>> {
  const statement = { predicateType: text, predicate: { [text]: text, list: [text] } };
  const evil = { ...change, title: text, reviews: change.reviews.map((review) => ({ ...review, comment: text, reviewer: text })) };
  const counts = { critical: 1, high: 0, medium: 0, low: 0, unknown: 0, credentials: 0, habits: 0, gaps: 0 };
  const asked: ImportView = {
    id: 1,
    reference: text,
    digest: text,
    repository: text,
    reason: text,
    requestedBy: text,
    requestedAt: at,
    state: 'requested',
    approvals: [{ reviewer: text, at }],
    why: text,
    look: {
      state: 'done',
      at,
      record: text,
      found: counts,
      components: 1,
      against: { import: 2, digest: text, fresh: counts, gone: 1 },
      image: { platforms: [text], systems: [text], bytes: 1, root: true },
    },
  };
  const body = homePage({
    repositories: [{ name: text, protectedBranch: text, createdAt: at, cloneUrl: text }],
    changes: [evil],
    runs: [{ id: 1, repository: text, event: text, commit: text, status: 'passed', createdAt: text }],
    images: [{ digest: text, repository: text, commit: text, run: 1 }],
    imports: [asked],
    environments: [{ environment: text, where: text, release: { repository: text, commit: text, run: 1, digests: [text], at: text } }],
    refusals: [{ at: text, what: text, detail: text }],
    news: [
      {
        advisory: text,
        severity: text,
        title: text,
        firstSeen: text,
        components: [{ purl: text, fixed: [text] }],
        images: [{ repository: text, digest: text, newestWithout: text, environments: [text], pods: [] }],
        imageCount: 1,
      },
    ],
  });
  const found: FindingView = {
    kind: 'vulnerability',
    id: text,
    key: text,
    severity: 'high',
    title: text,
    fix: text,
    where: [text],
    isNew: true,
    fails: true,
    paths: [[text, text]],
    notAffected: text,
    waiver: { reason: text, owner: text, expires: text },
  };
  const evilScan: ScanView = {
    ...scan,
    name: text,
    reasons: [text],
    notes: [text],
    level: text,
    findings: [found, { ...found, fails: false }],
  };
  const finds = [found, { ...found, fails: false }];
  const evilPart = {
    name: text,
    now: text,
    was: text,
    fresh: finds,
    gone: finds,
    learned: finds,
    found: since.found,
    databases: [{ ecosystem: text, advisories: 1, updatedAt: text }],
    notes: [text],
  };
  const evilSince = { ...since, environment: text, comparison: text, levels: [text], reasons: [text], parts: [evilPart], removed: [text] };
  const [stage] = run.stages;
  assert.ok(stage);
  const evilRun: RunView = {
    ...run,
    reason: text,
    notes: [text],
    stages: [
      {
        ...stage,
        status: 'failed',
        name: text,
        reason: text,
        jobs: [{ name: text, status: 'failed', steps: [{ name: text, status: 'failed' }] }],
      },
    ],
    deploys: [{ environment: text, status: 'passed', endpoints: [text] }],
    papers: [{ predicateType: text, subject: text, ledgerIndex: 1, at: text }],
  };
  return {
    home: body.text,
    change: changePage(evil, { scans: [evilScan], since: [evilSince], now }).text,
    import: importPage({ view: asked, signatures: text, scan: evilScan }).text,
    failedImport: importPage({ view: { ...asked, look: { state: 'failed', at, why: text } }, signatures: text, scan: undefined }).text,
    run: runPage({
      view: evilRun,
      scans: [evilScan],
      since: [evilSince],
      now,
      picked: true,
      logs: [text],
      log: { name: text, lines: [line(text), line(text, text)], total: 2 },
    }).text,
    image: imagePage({
      digest: text,
      reference: text,
      revoked: text,
      vouched: {
        repository: text,
        source: { repository: text, commit: text, tree: text },
        review: { change: 1, method: text, approvals: [text] },
        tests: [{ stage: text, passed: true }],
        scans: { vulnerabilities: { at: text, worst: text, databaseAt: text } },
        run: 1,
        validUntil: text,
      },
      papers: [{ predicateType: text, statement, ledgerIndex: 1 }],
    }).text,
    login: loginPage({ message: text, next: text }).text,
    failure: failurePage({ title: text, detail: text, fix: text }).text,
    frame: page({ title: text, nonce: 'n', body: new Html(''), person: { name: text, role: text } }),
  };
}

test('text of other people stays text on every page', () => {
  const harmless = everywhere('words');
  for (const [name, text] of Object.entries(everywhere(hostile))) {
    // Exactly the markup that harmless words get: nothing was added, closed or given another attribute.
    const tags = (markup: string) => markup.match(/<\/?[a-z][a-z0-9]*/g)?.join(' ');
    assert.equal(tags(text), tags(harmless[name] ?? ''), name);
    assert.doesNotMatch(text, /<img|<script>pwned|onerror=pwned\(\)>/, name);
    assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/, name);
  }
});

test('html escapes every value, in attributes too, and takes only Html as markup', () => {
  assert.equal(
    html`<a title="${`"><b>&'`}">${html`<i>${1}</i>`}${[undefined, false, '<']}</a>`.text,
    '<a title="&quot;&gt;&lt;b&gt;&amp;&#39;"><i>1</i>&lt;</a>',
  );
});

test('plain text keeps letters, tabs and line breaks', () => {
  const cases: [given: string, shown: string][] = [
    ['ünïcode ✔ שלום\tx\ny', 'ünïcode ✔ שלום\tx\ny'],
    ['\u001b[38;2;225;80;80;1m×\u001b[0m', '×'],
    ['\u001b]8;;https://x.example\u001b\\link', 'link'],
    ['\u001b[', '\uFFFD['],
    ['passed\rfailed', 'passed\uFFFDfailed'],
    ['a\u202Eb', 'a\uFFFDb'],
  ];
  for (const [given, shown] of cases) assert.equal(plain(given), shown);
});

test('an empty Waybill says on its first page what to do', () => {
  const { text } = homePage({ repositories: [], changes: [], runs: [], images: [], imports: [], environments: [], refusals: [], news: [] });
  for (const words of ['waybill repo add', 'refs/for/main', 'waybill environment add', 'Nothing was refused'])
    assert.ok(text.includes(words), words);
  assert.ok(!text.includes('<table'));
});

test('an approval of an older version is shown as void, and the next step is named', () => {
  const { text } = changePage(change, none);
  assert.match(text, /approved, void/);
  assert.match(text, /no: a newer version was pushed/);
  assert.match(text, /earlier approvals are void[^<]*<code class="command">waybill change approve 3</);
  const [review] = change.reviews;
  assert.ok(review);
  assert.match(changePage({ ...change, reviews: [{ ...review, version: 2, current: true }] }, none).text, /waybill change merge 3/);
  assert.match(changePage({ ...change, reviews: [{ ...review, verdict: 'reject', current: true }] }, none).text, /Rejected by rita/);
  assert.doesNotMatch(changePage({ ...change, state: 'merged', runs: [] }, none).text, /data-open|class="note"/);
});

test('a run shows the way in its order, why it failed, and how long things took', () => {
  const text = shownRun(run, [line('out'), line('err', 'stderr'), line('$ npm test', 'waybill')]);
  const way = [...text.matchAll(/class="part (\w+)"/g)].map(([, status]) => status);
  assert.deepEqual(way, ['reused', 'failed', 'running', 'waiting']);
  assert.match(text, /in <a href="\/runs\/2">run 2<\/a>, on the same tree/);
  assert.match(text, /class="note bad"><b>core<\/b>: step 1 \(npm test\): exit code 1/);
  assert.match(text, /5\.5 s/);
  assert.match(text, />60 s<|>1 min 0 s</);
  assert.match(text, /exit code 1/);
  assert.deepEqual(
    [...text.matchAll(/class="l (\w)"/g)].map(([, stream]) => stream),
    ['o', 'e', 'w'],
  );
  assert.match(text, /standard error: <\/b><span>err</);
  assert.doesNotMatch(text, /npm run lint/, 'steps of a reused stage did not run here');
});

test('only a run that goes on is followed', () => {
  assert.match(shownRun(run), /data-follow/);
  assert.match(shownRun(run), /data-open/);
  const over = shownRun({ ...run, status: 'failed' });
  assert.doesNotMatch(over, /data-follow|data-open/);
});

test('the log that is shown first is what failed, else what runs, else the last one', () => {
  const logs = ['image/shop', 'stage/core/unit', 'stage/lint/lint'];
  const [lint, core] = run.stages;
  assert.ok(lint && core);
  assert.equal(chooseLog(run, logs), 'stage/core/unit');
  const good: RunView = {
    ...run,
    stages: [lint, { ...core, status: 'passed', jobs: core.jobs.map((job) => ({ ...job, status: 'passed' })) }],
  };
  assert.equal(chooseLog(good, logs), 'image/shop');
  assert.equal(chooseLog({ ...good, images: [] }, logs), 'stage/core/unit');
  assert.equal(chooseLog(run, []), undefined);
});

test('what a scan found stands with where, how bad, how it came in and what to do; and with what was looked at', () => {
  const { text } = runPage({ view: run, scans: [scan], since: [], now, picked: false, logs: [] });
  for (const said of [
    /CVE-2018-16487 in lodash 4\.17\.4/,
    /package-lock\.json:9/,
    /pkg:npm\/async@2\.6\.0 → pkg:npm\/lodash/,
    /Take lodash 4\.17\.11/,
    /467 advisories for npm/,
    /meets nothing any more/,
  ])
    assert.match(text, said);
  assert.match(changePage(change, { scans: [scan], since: [], now }).text, /What the scans say of the newest version/);
});

test('what is new since the release of an environment stands with the run and with the change: what, since when, what is gone, and by which advisories', () => {
  for (const { text } of [
    runPage({ view: run, scans: [], since: [since], now, picked: false, logs: [] }),
    changePage(change, { ...none, since: [since] }),
  ])
    for (const said of [
      /Since the last release of production \(run 2, 3 days ago\)[^]*failed/,
      /1 new \(worst: high\), 1 gone/,
      /no part of it any more: worker/,
      /note bad">there are no advisories for Go/,
      /New in image shop[^]*CVE-2018-16487 in lodash/,
      /Gone from image shop[^]*CVE-2017-1 in left-behind/,
      /same advisories:\s+npm of 2026-11-22/,
      /<a href="\/runs\/2">run 2<\/a>/,
      /with other rules/,
    ])
      assert.match(text, said);
  const { release: _, ...first } = since;
  assert.match(changePage(change, { ...none, since: [first] }).text, /First release of production/);
});

test('of a long log the end is shown, and how to read the rest', async () => {
  async function* lines() {
    for (let index = 0; index < 3 * maxLines; index += 1) yield line(`line ${index}`);
  }
  const log = await tailOf('stage/core/unit', lines());
  assert.deepEqual([log.lines.length, log.total, log.lines.at(-1)?.text], [maxLines, 3 * maxLines, `line ${3 * maxLines - 1}`]);
  const { text } = runPage({ view: run, scans: [], since: [], now, picked: false, logs: [log.name], log });
  assert.match(text, new RegExp(`${2 * maxLines} earlier lines are left out[^]*waybill runs log 4 stage/core/unit`));
});

test('an image is told in facts; the signed JSON is folded away', () => {
  const statement = {
    predicate: {
      change: 3,
      version: 2,
      reviewedTree: oid,
      method: 'identical',
      approvals: [{ reviewer: 'rita', at }],
      authors: ['dana'],
      mergedBy: 'rita',
      mergedAt: at,
    },
  };
  const papers = [{ predicateType: 'https://waybill.dev/review/v1', statement, ledgerIndex: 9 }];
  const { text } = imagePage({ digest, papers });
  assert.match(text, /<h3>\s*Review/);
  assert.match(text, /exactly the reviewed one/);
  assert.ok(text.indexOf('rita on') < text.indexOf('<details>'), 'facts come first');
  assert.match(text, /do not amount to what a release needs/);
  assert.match(imagePage({ digest, papers: [] }).text, /has no papers[^]*git push origin HEAD:refs\/for\/main/);
  assert.match(imagePage({ digest, papers, revoked: 'a stolen key' }).text, /Revoked: a stolen key/);
});

test('the page of an image tells of the newest look at its vulnerabilities, and each paper of its own', () => {
  const look = { at: '2026-11-27T10:00:00Z', worst: 'critical', databaseAt: '2026-11-26T09:00:00Z' };
  const vouched = { repository: 'shop/web', source: { repository: 'shop', commit: oid, tree: oid }, tests: [], run: 7, validUntil: at };
  const predicate = {
    scanner: { db: { lastUpdate: '2026-11-26T09:00:00Z' } },
    metadata: { scanStartedOn: '2026-11-27T10:00:00Z', scanFinishedOn: '2026-11-27T10:00:01Z' },
    waybill: { run: 7, scan: 'image', worst: 'critical', open: 2, waived: 1, again: { components: { sha256: 'ab' } } },
  };
  const papers = [{ predicateType: 'https://in-toto.io/attestation/vulns/v0.2', statement: { predicate }, ledgerIndex: 9 }];
  const { text } = imagePage({ digest, vouched: { ...vouched, scans: { vulnerabilities: look } }, papers });
  assert.match(text, /Looked up[^]*2026-11-27[^]*in advisories of[^]*2026-11-26[^]*the worst that is open is critical/);
  assert.match(text, /Looked at[^]*again, by their list of components[^]*2, the worst is critical/);
  const clean = imagePage({ digest, vouched: { ...vouched, scans: { vulnerabilities: { at: look.at } } }, papers: [] });
  assert.match(clean.text, /Looked up[^]*nothing is open/);
  assert.doesNotMatch(imagePage({ digest, vouched, papers: [] }).text, /Looked up/);
});

test('papers of an unknown type or shape are shown by their plain values', () => {
  assert.deepEqual(paperFacts('https://example.org/x/v1', { predicate: { a: 1, b: 'two', c: [1, 2], d: { e: 1 } } }), [
    ['a', '1'],
    ['b', 'two'],
    ['c', '2'],
  ]);
  assert.deepEqual(paperFacts('https://waybill.dev/review/v1', { predicate: { change: 'none' } }), [['change', 'none']]);
  for (const statement of [undefined, null, 1, {}, { predicate: null }]) assert.deepEqual(paperFacts('__proto__', statement), []);
  assert.equal(paperTitle('constructor'), 'constructor');
});

test('times', () => {
  const cases: [from: string | undefined, to: string | undefined, said: string][] = [
    [undefined, at, ''],
    [at, undefined, '60 s'],
    [at, '2026-11-22T10:00:00.400Z', '0.4 s'],
    [at, '2026-11-22T10:03:05.000Z', '3 min 5 s'],
    [at, '2026-11-22T12:03:00.000Z', '2 h 3 min'],
    [at, '2026-11-22T09:00:00.000Z', '0.0 s'],
  ];
  for (const [from, to, said] of cases)
    assert.equal(took(from, to, new Date('2026-11-22T10:01:00.000Z')).replace('1 min 0 s', '60 s'), said);
});

test('what is read has a contrast of 4.5 at least, by day and by night', () => {
  const luminance = (colour: string) => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((index) => {
      const value = Number.parseInt(colour.slice(index, index + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const index of [0, 1] as const) {
    for (const name of ['ink', 'soft', 'good', 'bad', 'run', 'warn', 'accent'] as const) {
      for (const ground of ['bg', 'card'] as const) {
        const [dark = 0, light = 0] = [luminance(colours[name][index]), luminance(colours[ground][index])].sort((a, b) => a - b);
        const contrast = (light + 0.05) / (dark + 0.05);
        assert.ok(contrast >= 4.5, `${name} on ${ground}: ${contrast.toFixed(2)}`);
      }
    }
  }
});
