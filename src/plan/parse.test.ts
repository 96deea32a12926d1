import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isName } from '../kernel/ids.ts';
import { parsePipeline } from './parse.ts';
import { problemsText } from './problem-text.ts';

const head = 'version: 1\nstages:\n';
const lint = '  - name: lint\n    on: [change, merge]\n    steps: [{ run: npm run lint }]\n';

/** What `waybill lint` prints for a file. */
function told(text: string): string {
  const parsed = parsePipeline(text);
  return problemsText(parsed.ok ? parsed.warnings : [...parsed.problems, ...parsed.warnings], text);
}

const bad: readonly (readonly [what: string, file: string, printed: string])[] = [
  [
    'a misspelt field',
    `${head}  - name: lint\n    on: [change]\n    stepps:\n      - run: npm ci\n`,
    `waybill.yaml:5:5: error: unknown field "stepps"
 5 |     stepps:
   |     ^^^^^^ did you mean "steps"?`,
  ],
  [
    'a field that nothing resembles',
    `${head}${lint}    colour: red\n`,
    `waybill.yaml:6:5: error: unknown field "colour"
 6 |     colour: red
   |     ^^^^^^
   = expected: one of name, on, needs, steps, jobs, env, timeout, network`,
  ],
  [
    'a field of a later version',
    `${head}${lint}    matrix: { node: [22] }\n`,
    `waybill.yaml:6:5: error: "matrix" is not supported yet by this version
 6 |     matrix: { node: [22] }
   |     ^^^^^^`,
  ],
  [
    'another version of the language',
    `version: "1"\nstages:\n${lint}`,
    `waybill.yaml:1:10: error: expected 1, found "1"
 1 | version: "1"
   |          ^^^ did you mean "1"?`,
  ],
  [
    'missing fields',
    `${head}  - name: lint\n`,
    `waybill.yaml:3:5: error: missing field "on"
 3 |   - name: lint
   |     ^^^^
   = expected: a list of at least one event

waybill.yaml:3:5: error: a stage without steps or jobs
 3 |   - name: lint
   |     ^^^^
   = expected: "steps", or "jobs" with steps each`,
  ],
  [
    'one value where a list belongs',
    `${head}  - name: lint\n    on: change\n    steps: [{ run: a }]\n`,
    `waybill.yaml:4:9: error: expected a list of at least one event, found "change"
 4 |     on: change
   |         ^^^^^^ did you mean [change]?`,
  ],
  [
    'a misspelt event',
    `${head}  - name: lint\n    on: [chnage]\n    steps: [{ run: a }]\n`,
    `waybill.yaml:4:10: error: expected an event, found "chnage"
 4 |     on: [chnage]
   |          ^^^^^^ did you mean "change"?`,
  ],
  [
    'an unknown and a misspelt need',
    `${head}${lint}  - name: test\n    on: [change]\n    needs: [lnit, deployment]\n    steps: [{ run: a }]\n`,
    `waybill.yaml:8:13: error: no stage "lnit" in this file
 8 |     needs: [lnit, deployment]
   |             ^^^^ did you mean "lint"?

waybill.yaml:8:19: error: no stage "deployment" in this file
 8 |     needs: [lnit, deployment]
   |                   ^^^^^^^^^^
   = expected: one of lint`,
  ],
  [
    'a need that is in another plan',
    `${head}  - name: core\n    on: [merge]\n    steps: [{ run: a }]\n  - name: lint\n    on: [change]\n    needs: [core]\n    steps: [{ run: a }]\n`,
    `waybill.yaml:8:13: error: stage "core" is not in the plan for "change", and "lint" is
 8 |     needs: [core]
   |             ^^^^
   = expected: stages that run on "change" too`,
  ],
  [
    'a cycle',
    `${head}  - { name: a, on: [change], needs: [b], steps: [{ run: x }] }\n  - { name: b, on: [change], needs: [c], steps: [{ run: x }] }\n  - { name: c, on: [change], needs: [a], steps: [{ run: x }] }\n`,
    `waybill.yaml:3:30: error: stages wait for each other: a → b → c → a
 3 |   - { name: a, on: [change], needs: [b], steps: [{ run: x }] }
   |                              ^^^^^`,
  ],
  [
    'a cycle through the default',
    `${head}  - { name: a, on: [change], needs: [b], steps: [{ run: x }] }\n  - { name: b, on: [change], steps: [{ run: x }] }\n`,
    `waybill.yaml:3:30: error: stages wait for each other: a → b → a
 3 |   - { name: a, on: [change], needs: [b], steps: [{ run: x }] }
   |                              ^^^^^
   = expected: "needs" in stage "b", which otherwise waits for the stage before it`,
  ],
  [
    'names that are used twice',
    `${head}${lint}${lint}`,
    `waybill.yaml:6:11: error: a second stage "lint"
 6 |   - name: lint
   |           ^^^^
   = expected: a name of its own`,
  ],
  [
    'a duplicated key',
    `${head}${lint}    on: [merge]\n`,
    `waybill.yaml:6:5: error: "on" is given twice
 6 |     on: [merge]
   |     ^^
   = expected: each field once`,
  ],
  [
    'steps and jobs',
    `${head}${lint}    jobs: [{ name: a, steps: [{ run: a }] }, { name: a, steps: [] }]\n`,
    `waybill.yaml:6:5: error: a stage has either "steps" or "jobs", not both
 6 |     jobs: [{ name: a, steps: [{ run: a }] }, { name: a, steps: [] }]
   |     ^^^^

waybill.yaml:6:54: error: a second job "a"
 6 |     jobs: [{ name: a, steps: [{ run: a }] }, { name: a, steps: [] }]
   |                                                      ^
   = expected: a name of its own

waybill.yaml:6:64: error: expected a list of at least one step, found an empty list
 6 |     jobs: [{ name: a, steps: [{ run: a }] }, { name: a, steps: [] }]
   |                                                                ^^`,
  ],
  [
    'a step that is a bare command, and one without a command',
    `${head}  - name: lint\n    on: [change]\n    steps:\n      - npm ci\n      - run:\n`,
    `waybill.yaml:6:9: error: expected a step such as { run: npm test }, found "npm ci"
 6 |       - npm ci
   |         ^^^^^^

waybill.yaml:7:13: error: expected a command or script for sh, found nothing
 7 |       - run:
   |             ^`,
  ],
  [
    'environment variables that are no text, or have bad names',
    `${head}${lint}    env: { PORT: 8080, VERSION: 1.10, a-b: x, WAYBILL_RUN: "1" }\n`,
    `waybill.yaml:6:18: error: expected text, found the number 8080
 6 |     env: { PORT: 8080, VERSION: 1.10, a-b: x, WAYBILL_RUN: "1" }
   |                  ^^^^ did you mean "8080"?

waybill.yaml:6:33: error: expected text, found the number 1.1
 6 |     env: { PORT: 8080, VERSION: 1.10, a-b: x, WAYBILL_RUN: "1" }
   |                                 ^^^^ did you mean "1.10"?

waybill.yaml:6:39: error: "a-b" is not valid as a name here
 6 |     env: { PORT: 8080, VERSION: 1.10, a-b: x, WAYBILL_RUN: "1" }
   |                                       ^^^
   = expected: a variable name: letters, digits and "_", not starting with a digit or with WAYBILL_

waybill.yaml:6:47: error: "WAYBILL_RUN" is not valid as a name here
 6 |     env: { PORT: 8080, VERSION: 1.10, a-b: x, WAYBILL_RUN: "1" }
   |                                               ^^^^^^^^^^^
   = expected: a variable name: letters, digits and "_", not starting with a digit or with WAYBILL_`,
  ],
  [
    'durations',
    `${head}${lint}    timeout: 25h\ndefaults:\n  timeout: 10\n`,
    `waybill.yaml:6:14: error: expected a duration such as "90s", "10m" or "1h30m", at most 24 hours, found "25h"
 6 |     timeout: 25h
   |              ^^^

waybill.yaml:8:12: error: expected a duration such as "90s", "10m" or "1h30m", at most 24 hours, found the number 10
 8 |   timeout: 10
   |            ^^`,
  ],
  [
    'paths that leave the tree, a relative target, an unknown image',
    `${head}${lint}images:\n  - name: shop\n    layers: [{ from: a/../../b, to: app }]\ndeploy:\n  - environment: staging\n    manifests: /etc\n    images: { shop: shpo }\n`,
    `waybill.yaml:8:22: error: expected a path inside the repository, without "..", not absolute, found "a/../../b"
 8 |     layers: [{ from: a/../../b, to: app }]
   |                      ^^^^^^^^^

waybill.yaml:8:37: error: expected an absolute path in the image, without "..", found "app"
 8 |     layers: [{ from: a/../../b, to: app }]
   |                                     ^^^

waybill.yaml:11:16: error: expected a path inside the repository, without "..", not absolute, found "/etc"
 11 |     manifests: /etc
    |                ^^^^

waybill.yaml:12:21: error: no image "shpo" in this file
 12 |     images: { shop: shpo }
    |                     ^^^^ did you mean "shop"?`,
  ],
  [
    'a level of a deploy that deploys no image, and one that does not exist',
    `${head}${lint}images: [{ name: shop, layers: [{ from: a, to: /app }] }]\ndeploy:\n  - environment: staging\n    manifests: k8s\n    scan: { fail: new }\n  - environment: production\n    manifests: k8s\n    images: { shop: shop }\n    scan: { fail: new-hihg, since: release }\n`,
    `waybill.yaml:10:5: error: a deploy with "scan" and without "images" has nothing that could be compared with what runs
 10 |     scan: { fail: new }
    |     ^^^^
    = expected: "images" of the deploy, with an image of this file

waybill.yaml:14:19: error: expected one of "any", "medium", "high", "critical", "new", "new-medium", "new-high", "new-critical", "report", found "new-hihg"
 14 |     scan: { fail: new-hihg, since: release }
    |                   ^^^^^^^^ did you mean "new-high"?

waybill.yaml:14:29: error: unknown field "since"
 14 |     scan: { fail: new-hihg, since: release }
    |                             ^^^^^
    = expected: one of fail`,
  ],
  [
    'broken YAML',
    `${head}  - name: [lint\n    on: [change]\n`,
    `waybill.yaml:4:5: error: flow sequence in block collection must be sufficiently indented and end with a ]
 4 |     on: [change]
   |     ^`,
  ],
  [
    'an empty file',
    '# nothing\n',
    `waybill.yaml:1:1: error: the file is empty
 1 | # nothing
   | ^
   = expected: "version: 1" and "stages"`,
  ],
  [
    'a second document',
    `${head}${lint}---\nversion: 1\n`,
    `waybill.yaml:6:1: error: a second document starts here
 6 | ---
   | ^^^
   = expected: one document in the file`,
  ],
  [
    'wide letters and tabs before the place',
    `${head}${lint}    env: { A: "日本語",\tb-c: x }\n`,
    `waybill.yaml:6:22: error: "b-c" is not valid as a name here
 6 |     env: { A: "日本語",\tb-c: x }
   |                        \t^^^
   = expected: a variable name: letters, digits and "_", not starting with a digit or with WAYBILL_`,
  ],
  [
    'a name with spaces',
    `${head}  - { name: Unit Tests, on: [change, merge], steps: [{ run: x }] }\n`,
    `waybill.yaml:3:13: error: expected a name: lower-case letters and digits, with single "-", "_" or "." between them, at most 63 characters, found "Unit Tests"
 3 |   - { name: Unit Tests, on: [change, merge], steps: [{ run: x }] }
   |             ^^^^^^^^^^ did you mean "unit-tests"?`,
  ],
];

for (const [what, file, printed] of bad) {
  test(`refused: ${what}`, () => {
    assert.equal(parsePipeline(file).ok, false);
    assert.equal(told(file), printed);
  });
}

const doubtful: readonly (readonly [what: string, file: string, printed: string])[] = [
  [
    'an event that the server does not start',
    `${head}  - { name: a, on: [change, merge, tag], steps: [{ run: x }] }\n`,
    `waybill.yaml:3:36: warning: the server does not start runs on "tag" yet
 3 |   - { name: a, on: [change, merge, tag], steps: [{ run: x }] }
   |                                    ^^^
   = expected: \`waybill run --event tag\` on this machine`,
  ],
  [
    'changes that nothing tests',
    `${head}  - { name: a, on: [merge], steps: [{ run: x }] }\n`,
    `waybill.yaml:2:1: warning: no stage runs on "change": every change passes without a test
 2 | stages:
   | ^^^^^^`,
  ],
  [
    'a base that can move, a credential',
    `${head}${lint}    env: { DEPLOY_TOKEN: 0123456789abcdefg }\nimages:\n  - { name: a, base: "node:24", layers: [{ from: ., to: /a }] }\n`,
    `waybill.yaml:6:26: warning: the value of "DEPLOY_TOKEN" looks like a credential, and everybody who reads the repository sees it
 6 |     env: { DEPLOY_TOKEN: 0123456789abcdefg }
   |                          ^^^^^^^^^^^^^^^^^

waybill.yaml:8:22: warning: this base can change under the same name
 8 |   - { name: a, base: "node:24", layers: [{ from: ., to: /a }] }
   |                      ^^^^^^^^^
   = expected: a digest behind it: name@sha256:…`,
  ],
  [
    'an expression of a later version',
    `${head}  - { name: a, on: [change, merge], steps: [{ run: "echo \${{ matrix.a }}" }] }\n`,
    `waybill.yaml:3:52: warning: "\${{ … }}" is not supported yet by this version: the shell gets it as it is
 3 |   - { name: a, on: [change, merge], steps: [{ run: "echo \${{ matrix.a }}" }] }
   |                                                    ^^^^^^^^^^^^^^^^^^^^^^`,
  ],
];

for (const [what, file, printed] of doubtful) {
  test(`accepted with a warning: ${what}`, () => {
    assert.equal(parsePipeline(file).ok, true);
    assert.equal(told(file), printed);
  });
}

test('aliases, CRLF and a byte order mark read like the plain text', () => {
  const plain = `${head}  - name: a\n    on: [change, merge]\n    steps: [{ run: x }]\n  - name: b\n    on: [change, merge]\n    steps: [{ run: x }]\n`;
  const aliased = plain.replace('steps: [{ run: x }]', 'steps: &s [{ run: x }]').replace(/steps: \[\{ run: x \}\]\n$/, 'steps: *s\n');
  assert.deepEqual(parsePipeline(aliased), parsePipeline(plain));
  assert.deepEqual(parsePipeline(plain.replaceAll('\n', '\r\n')), parsePipeline(plain));
  assert.deepEqual(parsePipeline(`\uFEFF${plain}`), parsePipeline(plain));
  const wrong = `\uFEFFversion: 2\r\nstages:\r\n${lint}`;
  assert.match(told(wrong), /^waybill\.yaml:1:10: .*\n 1 \| version: 2\n {3}\| {10}\^$/);
});

test('a colour is only added when it is asked for', () => {
  const text = 'version: 2\n';
  const parsed = parsePipeline(text, 'x.yaml');
  assert.ok(!parsed.ok);
  assert.ok(!problemsText(parsed.problems, text).includes('\u001b'));
  assert.ok(problemsText(parsed.problems, text, true).includes('\u001b[31merror:'));
});

test('a long line is cut around its place', () => {
  const text = `${head}  - { name: a, on: [change], steps: [{ run: "${'x'.repeat(500)}", nmae: y, env: { A: "${'z'.repeat(500)}" } }] }`;
  const lines = told(text).split('\n').slice(0, 3);
  assert.ok(lines.every((line) => line.length < 180));
  const [, source, carets] = lines;
  assert.equal(source?.slice(carets?.indexOf('^'), (carets?.indexOf('^') ?? 0) + 4), 'nmae');
});

test('names are those of the kernel', () => {
  for (const name of ['a', 'a-b', 'a--b', 'a.b_c', '-a', 'a-', 'A', '', '1', 'a'.repeat(63), 'a'.repeat(64)]) {
    const parsed = parsePipeline(`${head}  - { name: ${JSON.stringify(name)}, on: [change, merge], steps: [{ run: x }] }\n`);
    assert.equal(parsed.ok, isName(name), name);
  }
});

test('an image is made of layers or from a Dockerfile, not of both and not of neither', () => {
  const parsed = parsePipeline(
    `version: 1
stages: [{ name: lint, on: [change], steps: [{ run: x }] }]
images:
  - { name: both, dockerfile: Dockerfile, base: "node:24", config: { user: "1" }, layers: [{ from: ., to: / }] }
  - { name: neither }
`,
  );
  assert.ok(!parsed.ok);
  assert.deepEqual(
    parsed.problems.map(({ message, line }) => [message, line]),
    [
      ['an image has either "dockerfile" or "base", not both', 4],
      ['an image has either "dockerfile" or "config", not both', 4],
      ['an image has either "dockerfile" or "layers", not both', 4],
      ['an image without layers or a dockerfile', 5],
    ],
  );
});
