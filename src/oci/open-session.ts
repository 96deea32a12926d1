import { WaybillError } from '../kernel/error.ts';
import { createSession, type ClientSession } from './client-session.ts';
import type { RegistryClientOptions } from './client-types.ts';
import { isRegistryHost } from './reference.ts';
import { createTransport } from './transport.ts';

/** Requests to one registry, below the client that knows what they mean. Disposing it closes its connections. @throws WaybillError INVALID_INPUT */
export function openSession(options: RegistryClientOptions): ClientSession & Disposable {
  const { registry, limits = {}, anyAddress } = options;
  if (!isRegistryHost(registry))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(registry.slice(0, 300))} is not a host or host:port`);
  const origin = new URL(`${options.plainHttp ? 'http' : 'https'}://${registry}/`);
  const transport = createTransport({
    idleMs: limits.idleMs ?? 60_000,
    maxSockets: limits.sockets ?? 8,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(anyAddress === undefined ? {} : { anyAddress }),
  });
  const session = createSession({
    origin,
    transport,
    auth: options.auth,
    tokenHosts: options.tokenHosts,
    callTimeoutMs: limits.callMs ?? 30_000,
    repeat: options.repeat ?? true,
    now: () => Date.now(),
  });
  return { ...session, [Symbol.dispose]: () => transport[Symbol.dispose]() };
}
