import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isWaybillError } from '../kernel/error.ts';
import { type Event, events } from './event.ts';
import { planFor } from './make-plan.ts';
import { parsePipeline } from './parse.ts';
import type { Plan } from './plan.ts';
import type { Pipeline } from './schema.ts';

function pipeline(text: string): Pipeline {
  const parsed = parsePipeline(text);
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.problems));
  return parsed.pipeline;
}

/** `name(needs)`, a reusable one with `*`. */
function order(plan: Plan): string {
  return plan.stages.map((stage) => `${stage.name}${stage.reusable ? '*' : ''}(${stage.needs.join(',')})`).join(' ');
}

const four = `
version: 1
stages:
  - { name: core, on: [merge], steps: [{ run: x }] }
  - { name: lint, on: [change], steps: [{ run: x }] }
  - { name: smoke, on: [change, merge, manual], steps: [{ run: x }] }
  - { name: nightly, on: [schedule, manual], steps: [{ run: x }] }
images:
  - { name: shop, layers: [{ from: ., to: /app }] }
deploy:
  - { environment: staging, manifests: k8s, images: { shop: shop } }
`;

const orders: readonly (readonly [what: string, file: string, event: Event, expected: string])[] = [
  ['a change', four, 'change', 'lint() smoke(lint)'],
  ['a merge holds the change stages first, each once', four, 'merge', 'lint*() smoke*(lint) core(smoke)'],
  ['manual', four, 'manual', 'smoke() nightly(smoke)'],
  ['an event without stages', four, 'tag', ''],
  [
    'explicit needs, otherwise the order of the file',
    `
version: 1
stages:
  - { name: d, on: [change], needs: [b, c], steps: [{ run: x }] }
  - { name: c, on: [change], needs: [a], steps: [{ run: x }] }
  - { name: b, on: [change], needs: [a], steps: [{ run: x }] }
  - { name: a, on: [change], needs: [], steps: [{ run: x }] }
  - { name: last, on: [merge], steps: [{ run: x }] }
`,
    'merge',
    'a*() c*(a) b*(a) d*(b,c) last(a)',
  ],
];

for (const [what, file, event, expected] of orders) {
  test(`the plan of ${what}`, () => assert.equal(order(planFor(pipeline(file), event)), expected));
}

test('images and deploys are part of merge plans alone', () => {
  for (const event of events) {
    const plan = planFor(pipeline(four), event);
    assert.equal(plan.images.length, event === 'merge' ? 1 : 0, event);
    assert.equal(plan.deploys.length, event === 'merge' ? 1 : 0, event);
  }
});

test('a deploy is held to what its `scan` says; a report holds nothing', () => {
  for (const [level, fail] of [
    ['new-high', ['new-high']],
    ['report', undefined],
  ] as const) {
    const text = four.replace('images: { shop: shop }', `images: { shop: shop }, scan: { fail: ${level} }`);
    assert.deepEqual(planFor(pipeline(text), 'merge').deploys[0]?.fail, fail);
  }
});

test('defaults, stage, job and step: the nearer wins', () => {
  const plan = planFor(
    pipeline(`
version: 1
defaults: { timeout: 1h30m, env: { A: defaults, B: defaults, C: defaults } }
stages:
  - name: one
    on: [merge]
    timeout: 90s
    network: none
    env: { B: stage, C: stage }
    jobs:
      - { name: a, timeout: 5m, network: filtered, env: { C: job }, steps: [{ run: "\\n\\n  make all\\nmake test", env: { C: step } }] }
      - { name: b, steps: [{ name: Build, run: x }] }
  - { name: two, on: [merge], steps: [{ run: x }] }
images:
  - name: shop
    base: node:24
    layers: [{ from: dist, to: /app, after: [npm ci] }]
    config: { cmd: [/app/x], user: "65532", ports: [8080] }
  - { name: bare, layers: [{ from: ., to: / }], timeout: 1m, network: none }
deploy:
  - { environment: staging, manifests: k8s/ }
scan: { dependencies: { fail: new-high } }
`),
    'merge',
  );
  assert.deepEqual(plan, {
    event: 'merge',
    stages: [
      {
        name: 'one',
        reusable: false,
        needs: [],
        jobs: [
          {
            name: 'a',
            env: { A: 'defaults', B: 'stage', C: 'job' },
            timeoutMs: 300_000,
            network: 'filtered',
            steps: [{ name: 'make all', run: '\n\n  make all\nmake test', env: { C: 'step' } }],
          },
          {
            name: 'b',
            env: { A: 'defaults', B: 'stage', C: 'stage' },
            timeoutMs: 90_000,
            network: 'none',
            steps: [{ name: 'Build', run: 'x', env: {} }],
          },
        ],
      },
      {
        name: 'two',
        reusable: false,
        needs: ['one'],
        jobs: [
          {
            name: 'two',
            env: { A: 'defaults', B: 'defaults', C: 'defaults' },
            timeoutMs: 5_400_000,
            network: 'filtered',
            steps: [{ name: 'x', run: 'x', env: {} }],
          },
        ],
      },
    ],
    images: [
      {
        name: 'shop',
        base: 'node:24',
        layers: [{ from: 'dist', to: '/app', after: ['npm ci'] }],
        config: { cmd: ['/app/x'], user: '65532', ports: [8080] },
        network: 'filtered',
        timeoutMs: 5_400_000,
      },
      { name: 'bare', base: 'scratch', layers: [{ from: '.', to: '/', after: [] }], config: {}, network: 'none', timeoutMs: 60_000 },
    ],
    deploys: [{ environment: 'staging', manifests: 'k8s/', images: {}, timeoutMs: 5_400_000 }],
    scans: { secrets: 'new', dependencies: 'new-high', image: 'new' },
  });
});

test('a pipeline that no parser made is refused when its stages cannot be ordered', () => {
  const stage = { name: 'a', on: ['change' as const], steps: [{ run: 'x' }] };
  const invalid = (error: unknown): boolean => isWaybillError(error, 'INVALID_INPUT');
  assert.throws(() => planFor({ version: 1, stages: [{ ...stage, needs: ['a'] }] }, 'change'), invalid);
  assert.throws(() => planFor({ version: 1, stages: [{ ...stage, needs: ['b'] }] }, 'change'), invalid);
});

/** Files whose needs point back in the file, or are left out: always valid when the events agree. */
const files = fc
  .array(
    fc.record({
      on: fc.constantFrom<readonly Event[]>(['change'], ['change', 'merge'], ['merge'], ['merge', 'manual']),
      picks: fc.option(fc.array(fc.nat(20), { maxLength: 4 }), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((drafts) => ({
    version: 1,
    stages: drafts.map(({ on, picks }, index) => {
      const able = drafts.flatMap((other, at) => (at < index && on.every((event) => other.on.includes(event)) ? [`s${at}`] : []));
      const needs = picks && [...new Set(picks.flatMap((pick) => (able.length === 0 ? [] : [able[pick % able.length] ?? ''])))];
      return { name: `s${index}`, on, ...(needs ? { needs } : {}), steps: [{ run: 'x' }] };
    }),
  }));

test('property: a plan is deterministic, complete, survives JSON, and stands in an order that respects needs', () => {
  fc.assert(
    fc.property(files, fc.constantFrom(...events), (file, event) => {
      const read = pipeline(JSON.stringify(file));
      const plan = planFor(read, event);
      assert.deepEqual(planFor(pipeline(JSON.stringify(file)), event), plan);
      assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan);
      const seen = new Set<string>();
      for (const stage of plan.stages) {
        assert.ok(
          stage.needs.every((need) => seen.has(need)),
          order(plan),
        );
        seen.add(stage.name);
      }
      const expected = file.stages.filter((stage) => stage.on.includes(event) || (event === 'merge' && stage.on.includes('change')));
      assert.deepEqual([...seen].sort(), expected.map((stage) => stage.name).sort());
      const firstOfMerge = plan.stages.findIndex((stage) => !stage.reusable);
      if (event === 'merge' && firstOfMerge !== -1) assert.ok(plan.stages.slice(firstOfMerge).every((stage) => !stage.reusable));
    }),
    { numRuns: 300 },
  );
});

test('an image from a Dockerfile has no network unless it asks for one itself, and no layers', () => {
  const plan = planFor(
    pipeline(`version: 1
defaults: { network: filtered }
stages: [{ name: lint, on: [change], steps: [{ run: x }] }]
images:
  - { name: short, dockerfile: docker/Dockerfile }
  - { name: long, dockerfile: { context: app, target: run, args: { A: b }, secrets: [npmrc] }, network: filtered }
`),
    'merge',
  );
  assert.deepEqual(
    plan.images.map(({ layers, network, dockerfile }) => ({ layers, network, dockerfile })),
    [
      { layers: [], network: 'none', dockerfile: { file: 'docker/Dockerfile', context: '.', args: {}, secrets: [] } },
      {
        layers: [],
        network: 'filtered',
        dockerfile: { file: 'Dockerfile', context: 'app', target: 'run', args: { A: 'b' }, secrets: ['npmrc'] },
      },
    ],
  );
});
