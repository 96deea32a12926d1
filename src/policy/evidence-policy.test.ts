import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import { parseEvidencePolicy, parsePolicySet, policyFor } from './evidence-policy.ts';

const nothing = { review: { approvals: 0 }, tests: [], provenance: false };
const good = { registry: ['registry.example:5000'], mode: 'enforce', require: { review: {}, tests: 'all', provenance: true } };
const own = { ownNamespace: 'waybill-system' };

test('approvals are one where none are named', () => assert.equal(parseEvidencePolicy(good).require.review.approvals, 1));

for (const registry of ['r.example', 'localhost', 'registry:5000', 'r.example/team', 'r.example:5000/team/shop', '127.0.0.1:5000']) {
  test(`registry ${registry} is taken`, () =>
    assert.deepEqual(parseEvidencePolicy({ ...good, registry: [registry] }).registry, [registry]));
}

const refused: [string, object, RegExp][] = [
  ['no registry', { ...good, registry: [] }, /registry/],
  ['a registry with a scheme', { ...good, registry: ['https://r.example'] }, /registry/],
  ['a registry in upper case', { ...good, registry: ['R.example'] }, /lower case/],
  ['a registry that nodes would read as a path', { ...good, registry: ['registry'] }, /dot or a port/],
  ['a registry with a slash at the end', { ...good, registry: ['r.example/'] }, /registry/],
  ['a registry with a wildcard', { ...good, registry: ['*.example'] }, /registry/],
  ['an unknown field', { ...good, require: { ...good.require, reviews: {} } }, /require/],
  ['an unknown mode', { ...good, mode: 'off' }, /mode/],
  ['an unknown rule', { ...good, rules: { everything: 'audit' } }, /rules/],
  ['a policy that asks for nothing', { ...good, require: nothing }, /asks for nothing/],
  ['no provenance decision', { ...good, require: { review: {}, tests: 'all' } }, /provenance/],
];
for (const [name, policy, says] of refused) {
  test(`${name} is refused`, () =>
    assert.throws(
      () => parseEvidencePolicy(policy),
      (error) => isWaybillError(error, 'INVALID_INPUT') && says.test(error.detail),
    ));
}

test('a policy that asks for nothing may watch', () =>
  assert.equal(parseEvidencePolicy({ ...good, mode: 'audit', require: nothing }).mode, 'audit'));

test('the gate’s own namespace is always exempt', () => {
  assert.deepEqual(parsePolicySet({ default: good }, own).exemptNamespaces, ['kube-system', 'waybill-system']);
  assert.deepEqual(parsePolicySet({ default: good, exemptNamespaces: [] }, own).exemptNamespaces, ['waybill-system']);
});

test('a namespace is exempt or has a policy, not both', () => {
  assert.throws(() => parsePolicySet({ default: good, namespaces: { 'kube-system': good } }, own), /exempt and has a policy/);
});

test('a policy is found by the exact name, and by own properties only', () => {
  const set = parsePolicySet({ default: good, namespaces: { dev: { ...good, mode: 'warn' } } }, own);
  const modeOf = (namespace?: string): string => {
    const policy = policyFor(set, namespace);
    return policy === 'exempt' ? policy : policy.mode;
  };
  assert.deepEqual(['dev', 'prod', 'constructor', 'hasownproperty', 'kube-system', 'kube-system2'].map(modeOf), [
    'warn',
    'enforce',
    'enforce',
    'enforce',
    'exempt',
    'enforce',
  ]);
  assert.equal(modeOf(), 'enforce');
});
