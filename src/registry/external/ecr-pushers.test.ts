import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { pushersOf } from './ecr-pushers.ts';
import { sealed, secretsOf, servers, startVendors } from './vendors.fixture.ts';

const allow = (more: object) => ({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...more }] });
const aws = { AWS: 'arn:aws:iam::999999999999:root' };

const cases: [string, unknown, string[]][] = [
  ['an account that may put images', allow({ Principal: aws, Action: 'ecr:PutImage' }), [aws.AWS]],
  ['a star in the action', allow({ Principal: aws, Action: ['ecr:*'] }), [aws.AWS]],
  ['everything', allow({ Principal: '*', Action: '*' }), ['*']],
  ['another case of letters', allow({ Principal: { AWS: ['b', 'a'] }, Action: 'ECR:put*' }), ['a', 'b']],
  ['who may change the policy can let himself push', allow({ Principal: aws, Action: 'ecr:SetRepositoryPolicy' }), [aws.AWS]],
  ['readers', allow({ Principal: '*', Action: ['ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer', 'ecr:Get*'] }), []],
  ['a refusal', { Statement: { Effect: 'Deny', Principal: '*', Action: 'ecr:*' } }, []],
  ['one statement without a list', { Statement: { Effect: 'Allow', Principal: '*', Action: 'ecr:PutImage' } }, ['*']],
  ['all actions but one', allow({ Principal: aws, NotAction: 'ecr:DeleteRepository' }), [aws.AWS]],
  ['all principals but one', allow({ NotPrincipal: aws, Action: 'ecr:*' }), ['*']],
  ['what cannot be read', { Statement: [{ Effect: 'Maybe' }] }, ['*']],
  ['a pattern that would make an expression go back for ever', allow({ Principal: '*', Action: `${'*e'.repeat(5000)}!` }), []],
];
for (const [name, policy, expected] of cases) test(`pushers: ${name}`, () => assert.deepEqual(pushersOf(JSON.stringify(policy)), expected));
test('pushers: a policy that is no JSON counts as everybody', () => assert.deepEqual(pushersOf('{'), ['*']));

test('repositories below the prefix are asked for, page by page, with signed calls', async () => {
  await using vendors = await startVendors();
  for (const name of ['amazon/shop/web', 'amazon/shop/api', 'other/x']) vendors.repositories.add(name);
  await vendors.externals.add({ name: 'ecr', server: servers.ecr, kind: 'ecr', prefix: 'amazon' }, sealed(secretsOf.ecr));
  assert.deepEqual(await vendors.externals.pushers('ecr'), [
    { repository: 'amazon/shop/api', immutableTags: true, pushers: [] },
    { repository: 'amazon/shop/web', immutableTags: true, pushers: [] },
  ]);
  vendors.mood.policy = allow({ Principal: aws, Action: 'ecr:PutImage' });
  vendors.mood.mutableTags = true;
  assert.deepEqual((await vendors.externals.pushers('ecr'))?.[0], {
    repository: 'amazon/shop/api',
    immutableTags: false,
    pushers: [aws.AWS],
  });
  await vendors.externals.add({ name: 'gar', server: servers.gar, kind: 'gar' }, sealed(secretsOf.gar));
  assert.equal(await vendors.externals.pushers('gar'), undefined);
});
