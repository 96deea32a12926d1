import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { pipelineJsonSchema } from './json-schema.ts';
import { parsePipeline } from './parse.ts';

const validate = new Ajv2020({ allErrors: true, strictTypes: false }).compile(pipelineJsonSchema());

const stage = { name: 'a', on: ['change'], steps: [{ run: 'x' }] };
const file = (more: object): object => ({ version: 1, stages: [stage], ...more });
const withStage = (more: object): object => ({ version: 1, stages: [{ ...stage, ...more }] });
const withImage = (more: object): object => file({ images: [{ name: 'i', layers: [{ from: '.', to: '/' }], ...more }] });
const withDockerfile = (dockerfile: unknown): object => file({ images: [{ name: 'i', dockerfile }] });
const withDeploy = (more: object): object => file({ deploy: [{ environment: 'e', manifests: 'k8s', ...more }] });
const deployed = (more: object): object =>
  file({
    images: [{ name: 'i', dockerfile: 'Dockerfile' }],
    deploy: [{ environment: 'e', manifests: 'k8s', images: { i: 'i' }, ...more }],
  });

const documents: readonly (readonly [what: string, document: unknown, valid: boolean])[] = [
  ['the smallest file', file({}), true],
  ['no version', { stages: [stage] }, false],
  ['another version', file({ version: 2 }), false],
  ['no stages', { version: 1 }, false],
  ['an empty list of stages', { version: 1, stages: [] }, false],
  ['an unknown field', file({ x: 1 }), false],
  ['a later field', withStage({ matrix: {} }), false],
  ['scans', file({ scan: { secrets: { fail: 'any' }, dependencies: { fail: 'new-high' }, image: { fail: 'critical' } } }), true],
  ['scans that say nothing', file({ scan: {} }), true],
  ['an unknown scan', file({ scan: { licences: { fail: 'any' } } }), false],
  ['an unknown level', file({ scan: { secrets: { fail: 'low' } } }), false],
  ['a scan that is switched off', file({ scan: { secrets: false } }), false],
  ['a level of a deploy', deployed({ scan: { fail: 'new-high' } }), true],
  ['a level of a deploy without images', withDeploy({ scan: { fail: 'new' } }), false],
  ['an unknown level of a deploy', deployed({ scan: { fail: 'newest' } }), false],
  ['a deploy that compares with something else', deployed({ scan: { since: 'release' } }), false],
  ['defaults', file({ defaults: { timeout: '10m', env: { A: 'b' }, network: 'none' } }), true],
  ['a default image', file({ defaults: { image: 'node' } }), false],
  ['all events', withStage({ on: ['change', 'merge', 'tag', 'schedule', 'manual'] }), true],
  ['an unknown event', withStage({ on: ['push'] }), false],
  ['one event, no list', withStage({ on: 'change' }), false],
  ['no events', withStage({ on: [] }), false],
  ['steps and jobs', withStage({ jobs: [{ name: 'j', steps: [{ run: 'x' }] }] }), false],
  ['neither steps nor jobs', { version: 1, stages: [{ name: 'a', on: ['change'] }] }, false],
  ['jobs', { version: 1, stages: [{ name: 'a', on: ['change'], jobs: [{ name: 'j', steps: [{ run: 'x' }], env: { A: '' } }] }] }, true],
  ['a job without steps', { version: 1, stages: [{ name: 'a', on: ['change'], jobs: [{ name: 'j' }] }] }, false],
  ['a text as step', withStage({ steps: ['x'] }), false],
  ['a blank script', withStage({ steps: [{ run: ' ' }] }), false],
  ['a number as variable', withStage({ env: { A: 1 } }), false],
  ['a bad variable name', withStage({ env: { 'a-b': '1' } }), false],
  ['a reserved variable', withStage({ env: { WAYBILL_A: '1' } }), false],
  ['a bad duration', withStage({ timeout: '10 minutes' }), false],
  ['a number as duration', withStage({ timeout: 10 }), false],
  ['a bad name', withStage({ name: 'A b' }), false],
  ['a matrix', withStage({ matrix: {} }), false],
  ['no needs', withStage({ needs: [] }), true],
  [
    'an image',
    withImage({ base: 'node:24', config: { cmd: ['a'], entrypoint: [], user: '1:1', workdir: '/a', ports: [1], labels: { 'a.b': 'c' } } }),
    true,
  ],
  ['an image by digest', withImage({ base: `localhost:5000/a/b:c@sha256:${'0'.repeat(64)}` }), true],
  ['a bad base', withImage({ base: 'a b' }), false],
  ['a bad port', withImage({ config: { ports: [65536] } }), false],
  ['a dockerfile', withDockerfile('docker/Dockerfile'), true],
  ['a dockerfile with everything', withDockerfile({ file: 'a', context: 'b', target: 'c', args: { D: 'e' }, secrets: ['f.g'] }), true],
  ['a dockerfile beside layers', withImage({ dockerfile: 'Dockerfile' }), false],
  ['an image of nothing', file({ images: [{ name: 'i' }] }), false],
  ['a dockerfile that leaves', withDockerfile('../Dockerfile'), false],
  ['a context that leaves', withDockerfile({ context: '/etc' }), false],
  ['a bad build argument', withDockerfile({ args: { 'a b': 'c' } }), false],
  ['a bad secret', withDockerfile({ secrets: ['a,src=/etc/shadow'] }), false],
  ['an unknown field of a dockerfile', withDockerfile({ ssh: true }), false],
  ['a path that leaves', withImage({ layers: [{ from: '../a', to: '/' }] }), false],
  ['a path with dots that stays', withImage({ layers: [{ from: './..a/b..', to: '/..a' }] }), true],
  ['a deploy', withDeploy({ timeout: '5m', images: {} }), true],
  ['a deploy with approval', withDeploy({ approval: {} }), false],
  ['a list', [], false],
  ['nothing', null, false],
];

for (const [what, document, valid] of documents) {
  test(`parser and JSON Schema agree: ${what} is ${valid ? 'accepted' : 'refused'}`, () => {
    const parsed = parsePipeline(JSON.stringify(document));
    assert.equal(parsed.ok, valid, parsed.ok ? '' : JSON.stringify(parsed.problems));
    assert.equal(validate(document), valid, JSON.stringify(validate.errors));
  });
}

test('every field has a description, and what comes later says so', () => {
  let later = 0;
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [name, field] of Object.entries('properties' in node ? (node.properties as Record<string, object>) : {})) {
      assert.ok('description' in field && typeof field.description === 'string', `${path}.${name}`);
      if ('not' in field) {
        later++;
        assert.match(field.description, /^Not supported yet by this version\. /);
      }
      visit(field, `${path}.${name}`);
    }
    for (const key of ['items', 'additionalProperties']) if (key in node) visit(Reflect.get(node, key), path);
  };
  visit(pipelineJsonSchema(), '');
  assert.equal(later, 22);
});

test('the examples of the guide are accepted', () => {
  const guide = readFileSync(new URL('../../docs/guides/pipeline-file.md', import.meta.url), 'utf8');
  const examples = [...guide.matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1] ?? '');
  assert.ok(examples.length >= 7);
  for (const example of examples) {
    const whole = /^version:/m.test(example)
      ? example
      : `version: 1\n${/^stages:/m.test(example) ? '' : 'stages: [{ name: test, on: [change, merge], steps: [{ run: x }] }]\n'}${example}`;
    const parsed = parsePipeline(whole);
    assert.ok(parsed.ok, `${example}\n${parsed.ok ? '' : JSON.stringify(parsed.problems)}`);
  }
});
