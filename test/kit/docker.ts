import { execa } from 'execa';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from './needs.ts';

/** A Docker daemon of this process's own: its data, its socket, its containerd, no network, no rule of a firewall. */
export type Docker = AsyncDisposable & {
  /** PATH, DOCKER_HOST and DOCKER_CONFIG with which `docker` reaches it; the settings know no login. */
  readonly environment: Readonly<Record<string, string>>;
  /** The socket of its containerd. */
  readonly containerd: string;
};

/**
 * Starts dockerd of WAYBILL_DOCKER (a folder that Debian's docker.io, docker-cli, docker-buildx and containerd were unpacked into), or that of
 * this machine, with the containerd image store.
 * @returns why there is none, in words
 */
export async function startDocker(): Promise<Docker | string> {
  const unpacked = process.env['WAYBILL_DOCKER'];
  const folders = [
    ...(unpacked === undefined ? [] : [`${unpacked}/usr/sbin`, `${unpacked}/usr/bin`]),
    process.env['PATH'] ?? '',
    '/usr/sbin',
  ];
  const own = { PATH: folders.join(path.delimiter) };
  if (process.geteuid?.() !== 0) return 'dockerd needs root';
  for (const program of ['dockerd', 'containerd', 'docker'])
    if (!existsSync(`${unpacked}/usr/sbin/${program}`) && !existsSync(`${unpacked}/usr/bin/${program}`) && !(await findProgram(program)))
      return `${program} is neither in PATH nor in WAYBILL_DOCKER`;
  if (!(await findProgram('runc'))) return 'runc is not installed';
  await using cleanUp = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'wb-docker-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const at = (name: string) => path.join(folder, name);
  await mkdir(at('settings'));
  await writeFile(at('settings/config.json'), '{}');
  const plugins = `${unpacked}/usr/libexec/docker/cli-plugins`;
  if (existsSync(plugins)) await symlink(plugins, at('settings/cli-plugins'));
  await writeFile(at('daemon.json'), JSON.stringify({ features: { 'containerd-snapshotter': true } }));
  const paths = ['--config-file', at('daemon.json'), '--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')];
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'];
  const daemon = execa('dockerd', [...paths, ...network, '--storage-driver=native', '--host', `unix://${at('sock')}`], {
    env: own,
    reject: false,
    stdin: 'ignore',
    all: true,
    maxBuffer: 4 * 1024 * 1024,
    forceKillAfterDelay: 15_000,
  });
  cleanUp.defer(async () => {
    daemon.kill('SIGTERM');
    await daemon;
    const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
    for (const mount of mounts.filter((each) => each.startsWith(`${folder}/`)).toReversed()) await execa('umount', ['-l', mount]);
  });
  const environment = { ...own, DOCKER_HOST: `unix://${at('sock')}`, DOCKER_CONFIG: at('settings') };
  const ended = daemon.then(({ all }) => `dockerd ended: ${all.trim().split('\n').at(-1)}`);
  for (let tries = 0; tries < 60; tries++) {
    const { exitCode } = await execa('docker', ['version'], { env: environment, reject: false, timeout: 10_000 });
    if (exitCode === 0) {
      const owned = cleanUp.move();
      return { environment, containerd: at('exec/containerd/containerd.sock'), [Symbol.asyncDispose]: () => owned.disposeAsync() };
    }
    const why = await Promise.race([ended, sleep(500)]);
    if (why !== undefined) return why;
  }
  return 'dockerd did not answer within half a minute';
}
