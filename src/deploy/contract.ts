import assert from 'node:assert/strict';
import type { KubeObject } from '../kube/object.ts';
import type { PullCredential } from './pull-secret.ts';
import type { Target } from './port.ts';

/** Releases 1 to 3 of the Deployment `web` of the repository `shop`: two that answer `one` and `two` at `/`, one that prints `no such table` and exits with 3. */
export type ContractReleases = {
  readonly one: readonly KubeObject[];
  readonly two: readonly KubeObject[];
  readonly broken: readonly KubeObject[];
};

/** What every target promises (see port.ts), as tests run it over each implementation. Returns the lines of progress. */
export async function checkTarget(target: Target, releases: ContractReleases, credential: PullCredential): Promise<string[]> {
  const lines: string[] = [];
  const pullSecret = [credential];
  const onProgress = (line: string) => void lines.push(line);
  const preflight = await target.preflight({});
  assert.ok(preflight.ok, JSON.stringify(preflight));

  const applied = await target.apply(releases.one, { pullSecret, onProgress });
  const ready = await target.waitReady(JSON.parse(JSON.stringify(applied)) as typeof applied, { timeoutMs: 60_000, onProgress });
  assert.ok(ready.ready, JSON.stringify(ready));
  assert.ok(ready.endpoints.length > 0);
  for (const endpoint of ready.endpoints) {
    assert.equal((await endpoint.get('/')).body.toString(), 'one\n', endpoint.name);
    assert.equal((await endpoint.get('/missing')).status, 404);
    await assert.rejects(endpoint.get('no-slash'), /begins with \//);
  }
  const [running, ...others] = await target.running({ repository: 'shop' });
  assert.deepEqual(others, []);
  assert.deepEqual([running?.workload, running?.container, running?.run, running?.repository], ['Deployment web', 'web', 1, 'shop']);
  assert.match(running?.commit ?? '', /^[0-9a-f]{40}$/);
  assert.match(running?.digest ?? '', /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(await target.running({ repository: 'other' }), []);

  await target.renewPullSecret(async () => pullSecret, {});
  assert.equal(await target.hasPullSecret({}), true);
  assert.equal((await target.running({})).length, 1, 'a new pull secret touches nothing that runs');

  const next = await target.waitReady(await target.apply(releases.two, { pullSecret, onProgress }), { timeoutMs: 60_000, onProgress });
  assert.ok(next.ready, JSON.stringify(next));
  assert.equal((await next.endpoints[0]?.get('/'))?.body.toString(), 'two\n');
  assert.deepEqual(
    (await target.running({})).map((entry) => entry.run),
    [2],
  );

  const failed = await target.waitReady(await target.apply(releases.broken, { pullSecret, onProgress }), { timeoutMs: 90_000, onProgress });
  assert.ok(!failed.ready);
  assert.match(
    failed.why,
    /^Deployment web is not ready: container \S+ .*crashes again and again: exit code 3; its last lines:\n.*no such table/s,
  );
  assert.deepEqual(
    (await target.running({})).map((entry) => entry.run),
    [2],
    'what ran before still runs',
  );

  assert.deepEqual(await target.remove({ repository: 'other' }), []);
  assert.ok((await target.remove({ repository: 'shop' })).includes('Deployment web'));
  assert.ok(!lines.some((line) => line.includes(credential.password.reveal())));
  return lines;
}
