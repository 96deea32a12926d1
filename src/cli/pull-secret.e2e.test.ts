import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';
import { parse } from 'yaml';
import type { CliContext } from './context.ts';
import { makePullSecret } from './pull-secret.ts';

const cases = [
  { server: 'registry.example:5000', username: 'u', password: 'p', email: 'u@e.x' },
  { server: undefined, username: 'user.name+tag', password: 'a b:c"d\\e', email: undefined },
  { server: 'r.example/team', username: '<ü&>', password: 'p\u2028q&<>', email: 'x@y' },
];

test('the Secret is the one that kubectl makes, byte for byte', async (t) => {
  if ((await execa('kubectl', ['version', '--client'], { reject: false, timeout: 20_000 })).failed) {
    // oxlint-disable-next-line no-console -- a skipped test must be loud
    console.warn('SKIPPED: kubectl is missing, so its Secret was not compared');
    return t.skip('kubectl is missing');
  }
  for (const { server, username, password, email } of cases) {
    const args = ['create', 'secret', 'docker-registry', 'regcred', '--dry-run=client', '-o', 'yaml', '-n', 'shop'];
    const flags = [
      `--docker-username=${username}`,
      `--docker-password=${password}`,
      ...(server === undefined ? [] : [`--docker-server=${server}`]),
      ...(email === undefined ? [] : [`--docker-email=${email}`]),
    ];
    const theirs = parse((await execa('kubectl', [...args, ...flags], { timeout: 20_000 })).stdout) as {
      type: string;
      data: Record<string, string>;
    };
    const context = { cwd: '/', signal: t.signal, readStdin: async () => password } as CliContext;
    const ours = await makePullSecret(context, 'regcred', {
      server: server === undefined ? [] : [server],
      username,
      passwordStdin: true,
      dryRun: true,
      ...(email === undefined ? {} : { email }),
    });
    assert.equal(ours.type, theirs.type);
    assert.equal(ours.data['.dockerconfigjson'], theirs.data['.dockerconfigjson'], username);
  }
});
