import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parsePipeline } from './parse.ts';
import { problemsText } from './problem-text.ts';
import type { Problem } from './problem.ts';

const mebibyte = 1024 * 1024;
const head = 'version: 1\nstages:\n- name: a\n  on: [change, merge]\n  steps:\n  - run: ';

const hostile: readonly (readonly [what: string, text: string, first: RegExp])[] = [
  ['brackets', '['.repeat(mebibyte), /^nested more than 64 deep$/],
  ['braces', '{'.repeat(mebibyte), /^nested more than 64 deep$/],
  ['dashes', '- '.repeat(mebibyte / 2), /^nested more than 64 deep$/],
  ['question marks', '? '.repeat(mebibyte / 2), /^nested more than 64 deep$/],
  ['mappings in mappings', 'a: '.repeat(300_000), /^nested more than 64 deep$/],
  ['many keys', Array.from({ length: 80_000 }, (_, index) => `k${index}: 1`).join('\n'), /^the file has too many parts$/],
  ['documents', '---\n'.repeat(mebibyte / 4), /^the file has too many parts$/],
  [
    'aliases of aliases',
    `a: &a [x,x,x,x,x,x,x,x,x]\n${Array.from(
      { length: 20 },
      (_, at) =>
        `b${at}: &b${at} [${Array(9)
          .fill(at > 0 ? `*b${at - 1}` : '*a')
          .join(',')}]`,
    ).join('\n')}`,
    /^more than 100 aliases$/,
  ],
  [
    'few aliases of large values',
    `a: &a [${'x,'.repeat(9000)}]\nb: [*a,*a,*a,*a,*a,*a,*a]\n`,
    /^the file has too many values, or its aliases expand to too many$/,
  ],
  ['many aliases', `a: &a 1\nb: [${'*a,'.repeat(20_000)}]`, /^more than 100 aliases$/],
  ['an alias in itself', 'a: &a [*a]', /./],
  ['an alias of nothing', 'version: *nobody\nstages: []', /^no anchor "&nobody" stands before this alias$/],
  ['a prototype', '__proto__: { ok: true }\nversion: 1', /^"__proto__" is not allowed as a key$/],
  ['a constructor', 'constructor: { prototype: 1 }\nversion: 1\nstages: []', /^unknown field "constructor"$/],
  ['merge keys', '<<: { version: 1 }', /^"<<" is not allowed as a key$/],
  ['NUL', '\u0000'.repeat(mebibyte), /^the character U\+0000 is not allowed$/],
  ['an escape sequence', 'version: 1 # \u001b[2J', /^the character U\+001B is not allowed$/],
  ['letters that turn the line around', 'version: 1 # \u202e', /^the character U\+202E is not allowed$/],
  ['NUL by escape', `${head}"a\\0b"`, /^expected a command or script for sh, found "a\\u0000b"$/],
  ['more than 1 MiB', 'x'.repeat(mebibyte + 1), /^the file is larger than 1 MiB$/],
  ['more than 1 MiB in bytes', '# '.padEnd(mebibyte / 2, 'é').padEnd(mebibyte, 'é'), /^the file is larger than 1 MiB$/],
  ['a long script', `${head}${JSON.stringify('a'.repeat(mebibyte - 200))}`, /^too long: at most 65536 characters$/],
  ['a long title', `${head}x\n    name: "${'a'.repeat(mebibyte - 200)}\\n"`, /^expected text on one line/],
  [
    'a long base',
    `${head}x\nimages: [{name: a, base: "a${'-'.repeat(mebibyte - 400)}", layers: [{from: a, to: /x}]}]`,
    /^too long: at most 1024/,
  ],
  [
    'a long path',
    `${head}x\nimages: [{name: a, layers: [{from: "${'a/'.repeat(mebibyte / 2 - 200)}\\n", to: /x}]}]`,
    /^too long: at most 1024/,
  ],
  [
    'many variables',
    `${head}x\n    env: {${Array.from({ length: 20_000 }, (_, at) => `k${at}: a`).join(',')}}`,
    /^too many entries: at most 200$/,
  ],
  ['unknown tags', 'version: !run 1', /^unresolved tag: !run$/],
  ['an older YAML', '%YAML 1.1\n---\non: 1', /^YAML 1\.1 is not read here$/],
  ['odd keys', '{ a: b }: c', /^a key must be plain text$/],
  ['a tab as indentation', 'stages:\n\t- name: a', /^tabs are not allowed as indentation$/],
  ['spaces', ' '.repeat(mebibyte), /^the file is empty$/],
  [
    'everything needs everything',
    `version: 1\nstages:\n${Array.from({ length: 100 }, (_, at) => `- {name: s${at}, on: [change,merge,tag,schedule,manual], needs: [${Array.from({ length: 100 }, (_, other) => `s${other}`).join(',')}], steps: [{run: x}]}`).join('\n')}`,
    /^stages wait for each other: s0 → s0$/,
  ],
];

for (const [what, text, first] of hostile) {
  test(`hostile: ${what}`, () => {
    const parsed = parsePipeline(text);
    assert.ok(!parsed.ok);
    assert.match(parsed.problems[0]?.message ?? '', first);
    within(parsed.problems, text);
    assert.ok(problemsText(parsed.problems, text).length < 100_000);
    assert.ok(!Object.hasOwn(Object.prototype, 'ok'));
  });
}

test('nothing of the file reaches the terminal as a control sequence', () => {
  const text = 'version: 1\n"a\\e[31m": "\u009b31m\u0007"\n';
  const parsed = parsePipeline(text, 'evil\u001b[2J.yaml');
  assert.ok(!parsed.ok);
  assert.doesNotMatch(problemsText(parsed.problems, text), /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
});

/** Every problem lies within the document, and its carets within its line. */
function within(problems: readonly Problem[], text: string): void {
  assert.ok(problems.length > 0 && problems.length <= 100);
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  for (const problem of problems) {
    const line = lines[problem.line - 1];
    assert.ok(line !== undefined, `line ${problem.line} of ${lines.length}`);
    const length = Array.from(line).length;
    assert.ok(problem.column >= 1 && problem.column <= length + 1, `column ${problem.column} of ${length}`);
    if (problem.endColumn !== undefined) assert.ok(problem.endColumn > problem.column && problem.endColumn <= length + 1);
    assert.notEqual(problem.message, '');
  }
}

function holds(text: string): void {
  const parsed = parsePipeline(text);
  if (parsed.ok) assert.ok(parsed.pipeline.stages.length > 0);
  else within(parsed.problems, text);
  problemsText(parsed.ok ? parsed.warnings : parsed.problems, text, true);
}

const words = fc.constantFrom(
  ...'version stages name on needs steps jobs run env images layers deploy change merge stepps matrix 1 10m null'.split(' '),
  ...': |:|- |\n|\n  |\n    |[|]|{|}|, |&a |*a|>|"|\'|#|!|? |%|---|\t|\r\n|😀|日|\u0000|~'.split('|'),
);

test('property: any text is answered', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), holds), { numRuns: 500 });
});

test('property: any heap of YAML words is answered', () => {
  fc.assert(
    fc.property(fc.array(words, { maxLength: 60 }), (parts) => holds(parts.join(''))),
    { numRuns: 2000 },
  );
});

test('property: any JSON is answered', () => {
  fc.assert(fc.property(fc.json({ maxDepth: 6 }), holds), { numRuns: 500 });
});

test('property: a valid file with one part replaced is answered', () => {
  const valid = `${head}npm ci\nimages:\n- name: shop\n  layers: [{ from: dist, to: /app, after: [x] }]\ndeploy:\n- { environment: e, manifests: k8s, images: { shop: shop } }\n`;
  fc.assert(
    fc.property(fc.nat(valid.length), fc.nat(20), fc.oneof(words, fc.string({ maxLength: 10 })), (at, length, text) =>
      holds(valid.slice(0, at) + text + valid.slice(at + length)),
    ),
    { numRuns: 1000 },
  );
});
