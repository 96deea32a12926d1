import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pinDockerfile, readDockerfile } from './read-dockerfile.ts';

const platform = { os: 'linux', architecture: 'amd64' };
const read = (text: string, args: Record<string, string> = {}) => readDockerfile(text, { args, platform });
const references = (text: string, args?: Record<string, string>) => read(text, args).bases.map((base) => base.reference);

const found: readonly [what: string, text: string, expected: readonly string[], args?: Record<string, string>][] = [
  ['one base', 'FROM node:24\nRUN x\n', ['node:24']],
  ['a digest', `FROM r.example/a/b:1@sha256:${'0'.repeat(64)}\n`, [`r.example/a/b:1@sha256:${'0'.repeat(64)}`]],
  ['scratch, which is none', 'FROM scratch\nCOPY a /\n', []],
  ['a stage, which is none', 'FROM a AS One\nFROM one\nCOPY --from=ONE /a /b\nCOPY --from=0 /a /c\n', ['a']],
  ['the default of an argument', 'ARG V=24\nFROM node:${V}\n', ['node:24']],
  ['a given argument', 'ARG V=24\nFROM node:$V\n', ['node:22'], { V: '22' }],
  ['an argument made of another', 'ARG A=node\nARG B=${A}:24\nFROM $B\n', ['node:24']],
  ['a fallback', 'ARG V\nFROM node:${V:-24}${X+-slim}\n', ['node:24']],
  ['the platform that is built', 'FROM --platform=$BUILDPLATFORM node:24\n', ['node:24']],
  ['an image to copy from', 'FROM scratch\nCOPY --from=tools:1 /a /b\nADD --from=more:2 /a /b\n', ['tools:1', 'more:2']],
  [
    'an image that is mounted',
    'FROM a\nRUN --mount=type=bind,from=tools:1,target=/t --mount=from=more:2,target=/m x\n',
    ['a', 'tools:1', 'more:2'],
  ],
  ['lower case and continued lines', 'from \\\n  node:24 \\\n  as x\ncopy \\\n --from=tools:1 /a /b\n', ['node:24', 'tools:1']],
  ['a heredoc, whose lines are none', 'FROM a\nRUN <<EOF\nFROM b\nCOPY --from=c / /\nEOF\n', ['a']],
  ['a comment, which is none', '# FROM b\nFROM a # FROM c\n', ['a']],
  ['Windows line ends', 'ARG V=1\r\nFROM a:$V AS x\r\nFROM b\r\n', ['a:1', 'b']],
];
for (const [what, text, expected, args] of found)
  test(`a Dockerfile names ${what}`, () => {
    assert.deepEqual(references(text, args), expected);
  });

const refused: readonly [what: string, text: string, words: RegExp][] = [
  ['no FROM', 'RUN x\n', /no FROM/],
  ['an argument without a value', 'ARG V\nFROM node:$V\n', /line 2: the variable V has no value/],
  ['a variable of a stage', 'FROM a\nARG B=c\nCOPY --from=$B / /\n', /line 3: .*cannot hold a variable/],
  ['a variable in another form', 'ARG V=1\nFROM node:${V%1}\n', /line 2: .* no variable that can be put in/],
  ['a frontend of its own', '# syntax=evil.example/frontend:1\nFROM a\n', /frontend/],
  ['a frontend that looks like Docker’s', '# syntax=evil.example/docker/dockerfile:1\nFROM a\n', /frontend/],
  ['a name that goes on in the next line', 'FROM a\nCOPY --from=\\\ntools:1 /a /b\n', /line 2: .* an escape/],
  ['another platform', 'FROM --platform=linux/s390x a\n', /line 1: .*s390x/],
];
for (const [what, text, words] of refused)
  test(`a Dockerfile with ${what} is refused, with its line`, () => assert.throws(() => read(text), words));

test('the pinned text names digests in the same lines, and neither a frontend nor a platform', () => {
  const text =
    '# syntax=docker/dockerfile:1.7\nARG V=24\nFROM --platform=linux/amd64 node:${V} AS one\nFROM scratch\nCOPY --from=tools:1 /a /b\nCOPY --from=one /c /d\n';
  assert.equal(
    pinDockerfile(read(text), (reference) => `localhost/pinned-${reference.replace(':', '-')}`),
    '\nARG V=24\nFROM  localhost/pinned-node-24 AS one\nFROM scratch\nCOPY --from=localhost/pinned-tools-1 /a /b\nCOPY --from=one /c /d\n',
  );
});

test('an ADD that fetches, or may, is found by its line', () => {
  assert.deepEqual(
    read('FROM a\nADD file /x\nADD https://example/x /x\nADD $URL /x\nADD git@example:a.git /x\nCOPY https://x /y\n').fetches,
    [3, 4, 5],
  );
});

test('arguments of every stage are known, SOURCE_DATE_EPOCH among them', () => {
  assert.deepEqual([...read('ARG A=1\nFROM a\nARG SOURCE_DATE_EPOCH\nARG B C=2\n').args], ['A', 'SOURCE_DATE_EPOCH', 'B', 'C']);
});
