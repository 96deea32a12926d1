import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaybillError } from '../kernel/error.ts';
import { waitingFor } from './publish-copies.ts';

/** Fails so often with what `errors` hold, then answers. */
function failing(...errors: Error[]) {
  const calls = { made: 0 };
  const attempt = async () => {
    const error = errors[calls.made++];
    if (error) throw error;
    return 'copied';
  };
  return { calls, attempt };
}

const away = new WaybillError('REGISTRY_FAILED', 'harbor.example does not answer');

test('a registry that is away is waited for, so often and no more, and each time is told', async () => {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const signal = AbortSignal.timeout(10_000);
  assert.equal(await waitingFor(failing(away, away).attempt, [1, 2, 3], signal, say), 'copied');
  assert.match(lines[1] ?? '', /harbor\.example does not answer; tried again in 0 s, attempt 3 of 4/);
  const always = failing(away, away, away, away, away);
  await assert.rejects(waitingFor(always.attempt, [1, 2, 3], signal, say), (error) => error === away);
  assert.equal(always.calls.made, 4);
});

test('a refusal is not asked for again, and an abort ends the waiting', async () => {
  for (const code of ['FORBIDDEN', 'UNAUTHENTICATED', 'CONFLICT', 'NOT_FOUND'] as const) {
    const refused = failing(new WaybillError(code, 'no'));
    await assert.rejects(
      waitingFor(refused.attempt, [1], AbortSignal.timeout(10_000), () => undefined),
      { code },
    );
    assert.equal(refused.calls.made, 1);
  }
  const stop = new AbortController();
  const waiting = failing(away);
  const ended = waitingFor(waiting.attempt, [60_000], stop.signal, () => stop.abort(new Error('stopped')));
  await assert.rejects(ended);
  assert.equal(waiting.calls.made, 1);
});
