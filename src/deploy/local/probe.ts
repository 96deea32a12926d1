import { connect } from 'node:net';
import { once } from 'node:events';
import { isWaybillError, messageOf } from '../../kernel/error.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import type { Engine } from './engine.ts';
import type { LocalProbe } from './translate.ts';

/** Undefined when the probe passes, else one sentence what it saw. */
export async function probe(podman: Engine, pod: string, probed: LocalProbe, parent: AbortSignal | undefined): Promise<string | undefined> {
  using deadline = withDeadline(parent, Math.max(probed.timeoutMs, 500), 'the readiness probe');
  const { signal } = deadline;
  try {
    if (probed.type === 'http') return await probeHttp(probed, signal);
    if (probed.type === 'tcp') return await probeTcp(probed.hostPort, signal);
    await podman.run(['exec', `${pod}-${probed.container}`, ...probed.command], { signal });
    return undefined;
  } catch (error) {
    parent?.throwIfAborted();
    if (signal.aborted && isWaybillError(signal.reason)) return signal.reason.detail;
    return error instanceof Error && error.cause instanceof Error ? error.cause.message : messageOf(error);
  }
}

async function probeHttp(probed: LocalProbe & { type: 'http' }, signal: AbortSignal): Promise<string | undefined> {
  const path = probed.path.startsWith('/') ? probed.path : `/${probed.path}`;
  const response = await fetch(`http://127.0.0.1:${probed.hostPort}${path}`, { headers: probed.headers, redirect: 'manual', signal });
  await response.body?.cancel();
  return response.status >= 200 && response.status < 400 ? undefined : `GET ${path} answers with ${response.status}`;
}

async function probeTcp(port: number, signal: AbortSignal): Promise<undefined> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect', { signal });
  } finally {
    socket.destroy();
  }
}
