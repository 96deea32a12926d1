import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import type { Readable } from 'node:stream';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError } from '../../kernel/error.ts';
import { identify, killAll, type ProcessIdentity } from './process.ts';
import { needProgram, runProgram } from './programs.ts';
import { routeCommands } from './routes.ts';

/** A network namespace with a user-mode network in it, which lives as long as this object, or as this process. */
export type FilteredNetwork = AsyncDisposable & {
  /** Program and arguments before another program that is to run in it. */
  readonly enter: readonly string[];
  readonly processes: readonly ProcessIdentity[];
};

/** Holds the namespace open until its input ends, which it also does when this process is killed. */
const holderScript = 'echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/default/disable_ipv6; echo ready; exec cat >/dev/null';
const deadlineMs = 15_000;
const environment = { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/**
 * Opens a network that reaches public addresses and `allowAddresses` only, with its resolver at 10.0.2.3. The walls: steps hold no capability
 * over the namespace, so its routes stay; slirp4netns answers for no other neighbour than its gateway and resolver, so
 * that a socket bound to the device, which skips the routes, finds nobody; and it refuses the host's loopback.
 * @throws WaybillError MISSING_PROGRAM, INTERNAL, DEADLINE_EXCEEDED
 */
export async function openFilteredNetwork(root: boolean, allowAddresses: readonly string[], parent: AbortSignal): Promise<FilteredNetwork> {
  using deadline = withDeadline(parent, deadlineMs, 'opening a network');
  await using opened = new AsyncDisposableStack();
  const asRoot = root ? [] : ['--user', '--map-root-user'];
  const holder = spawn(needProgram('unshare'), [...asRoot, '--net', '/bin/sh', '-c', holderScript], { env: environment, stdio: 'pipe' });
  const processes: ProcessIdentity[] = [];
  opened.defer(async () => {
    holder.stdin.destroy();
    await killAll(processes);
  });
  await firstOutput(holder, holder.stdout, holder.stderr, 'unshare', deadline.signal);
  const pid = pidOf(holder);
  processes.push(identify(pid));

  // slirp4netns' own sandbox takes off every mount it sees without making them private first. As root that would reach the host: the
  // network namespaces below a shared /run/netns, those of running containers, would be gone. So it gets a mount namespace of its own.
  const apart = root ? [needProgram('unshare'), '--mount', '--propagation', 'private'] : [];
  const [slirpProgram = '', ...slirpLead] = [...apart, needProgram('slirp4netns')];
  const slirp = spawn(
    slirpProgram,
    [
      ...slirpLead,
      '--disable-host-loopback',
      '--enable-sandbox',
      '--enable-seccomp',
      '--mtu=65520',
      '--ready-fd=3',
      '--exit-fd=4',
      String(pid),
      'tap0',
    ],
    { env: environment, stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] },
  );
  const ready = slirp.stdio[3] as Readable;
  await firstOutput(slirp, ready, slirp.stderr as Readable, 'slirp4netns', deadline.signal);
  processes.unshift(identify(pidOf(slirp)));

  const enter = [needProgram('nsenter'), '--target', String(pid), ...(root ? [] : ['--user', '--preserve-credentials']), '--net'];
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  const [, ...nsenterArgs] = [...enter, needProgram('ip'), '-batch', '-'];
  await runProgram('nsenter', nsenterArgs, { input: routeCommands(addresses, allowAddresses), signal: deadline.signal });

  const owned = opened.move();
  return { enter, processes, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new WaybillError('INTERNAL', 'a helper of the network has no process');
  return child.pid;
}

/** Waits until `child` says that it is ready; its end before that is an error with what it printed. */
async function firstOutput(child: ChildProcess, ready: Readable, errors: Readable, name: string, signal: AbortSignal): Promise<void> {
  let printed = '';
  errors.on('data', (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(-2000)));
  child.on('error', (error) => (printed = error.message));
  const ended = once(child, 'close', { signal }).then(() => {
    throw new WaybillError('INTERNAL', `${name} ended before it was ready: ${printed.trim().replaceAll('\n', '; ')}`);
  });
  try {
    await Promise.race([once(ready, 'data', { signal }), ended]);
  } catch (error) {
    child.kill('SIGKILL');
    throw signal.aborted ? signal.reason : error;
  } finally {
    ended.catch(() => undefined); // the end that dispose causes is no error
  }
}
