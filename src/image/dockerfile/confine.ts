import { existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where an engine runs: a program and arguments before its own. */
export type Wall = {
  /** Command line in front of the engine's. */
  readonly lead: readonly string[];
  /** The folder of the build as the engine sees it. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
};

const inside = '/build';
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * What a program that builds containers as root cannot do without: mounts, namespaces, owners of files, device nodes in a container's /dev.
 * Not among them: modules, raw I/O, time, boot, tracing, raw sockets.
 */
const capabilities =
  'SYS_ADMIN SYS_CHROOT NET_ADMIN MKNOD CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP SETFCAP NET_BIND_SERVICE'.split(
    ' ',
  );

/** Whether this process can put an engine behind a wall: root, and bubblewrap. */
export function canConfine(bwrap: string | undefined): bwrap is string {
  return bwrap !== undefined && process.platform === 'linux' && process.geteuid?.() === 0;
}

/**
 * A wall around the engine itself, besides the one that it builds around each RUN: it sees the programs of this host read-only, an /etc of its
 * own, no home folder, no /run, no data of Waybill, no process of this host, and of the network what `enter` leads to, or nothing. It and all
 * its children end with this process.
 * @param enter program and arguments that join a filtered network; undefined for none at all
 */
export async function confine(bwrap: string, work: string, enter: readonly string[] | undefined): Promise<Wall> {
  const etc = join(work, 'etc');
  await mkdir(join(etc, 'containers'), { recursive: true, mode: 0o755 });
  const files: Readonly<Record<string, string>> = {
    passwd: 'root:x:0:0:root:/build/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
    group: 'root:x:0:\nnogroup:x:65534:\n',
    hosts: '127.0.0.1 localhost\n',
    hostname: 'waybill\n',
    'resolv.conf': enter ? 'nameserver 10.0.2.3\n' : '',
    ...engineFiles(),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(etc, name), text);
  await mkdir(join(work, 'home'), { recursive: true, mode: 0o700 });
  await mkdir(join(work, 'tmp'), { recursive: true, mode: 0o700 });
  const certificates = ['/etc/ssl/certs', '/etc/ca-certificates', '/etc/alternatives'].filter(
    (each) => enter !== undefined && existsSync(each),
  );
  const lead = [
    enter ?? [],
    [bwrap],
    enter ? [] : ['--unshare-net'],
    ['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent', '--new-session', '--hostname', 'waybill'],
    ['--cap-drop', 'ALL', ...capabilities.flatMap((name) => ['--cap-add', `CAP_${name}`])],
    systemFolders(),
    ['--bind', etc, '/etc', ...certificates.flatMap((each) => ['--ro-bind-try', each, each])],
    ['--proc', '/proc', '--dev', '/dev', '--ro-bind', '/sys', '/sys'],
    // runc puts each container into a control group of its own, which its /dev rules hang on.
    existsSync('/sys/fs/cgroup') ? ['--bind', '/sys/fs/cgroup', '/sys/fs/cgroup'] : [],
    ['--tmpfs', '/run', '--tmpfs', '/tmp', '--dir', '/var', '--dir', '/var/tmp', '--dir', '/root'],
    ['--bind', work, inside, '--chdir', inside, '--'],
  ].flat();
  return { lead, folder: inside, env: { ...engineEnvironment(inside), PATH: path } };
}

/** No wall but the engine's own, where there is no root: an ordinary user's engine works in a user namespace. */
export async function unconfined(work: string, environment: Readonly<Record<string, string | undefined>>): Promise<Wall> {
  const containers = join(work, 'etc', 'containers');
  await mkdir(containers, { recursive: true });
  for (const [name, text] of Object.entries(engineFiles())) await writeFile(join(work, 'etc', name), text);
  for (const name of ['home', 'tmp', 'run']) await mkdir(join(work, name), { recursive: true, mode: 0o700 });
  return {
    lead: [],
    folder: work,
    env: { ...engineEnvironment(work), PATH: environment['PATH'] ?? path, XDG_RUNTIME_DIR: join(work, 'run') },
  };
}

/**
 * No credential, no configuration of the user's: the files of logins are empty ones, and the program looks for others in a home of its own.
 * @param folder of the build, as the engine sees it
 */
export function engineEnvironment(folder: string): Record<string, string> {
  return {
    LC_ALL: 'C.UTF-8',
    HOME: join(folder, 'home'),
    TMPDIR: join(folder, 'tmp'),
    DOCKER_CONFIG: join(folder, 'etc', 'docker'),
    REGISTRY_AUTH_FILE: join(folder, 'etc', 'containers', 'auth.json'),
    CONTAINERS_CONF: join(folder, 'etc', 'containers', 'containers.conf'),
    CONTAINERS_REGISTRIES_CONF: join(folder, 'etc', 'containers', 'registries.conf'),
    BUILDAH_ISOLATION: 'oci',
  };
}

/** Below /etc, of buildah and podman: no registry to search, no login, runc where it is there. */
function engineFiles(): Record<string, string> {
  return {
    'containers/policy.json':
      '{"default":[{"type":"reject"}],"transports":{"oci":{"":[{"type":"insecureAcceptAnything"}]},"containers-storage":{"":[{"type":"insecureAcceptAnything"}]}}}\n',
    'containers/registries.conf': 'unqualified-search-registries = []\n',
    'containers/auth.json': '{"auths":{}}\n',
    'containers/containers.conf': [
      '[containers]',
      `default_ulimits = ["nofile=${hardLimit('Max open files', 65_536)}", "nproc=${hardLimit('Max processes', 32_768)}"]`,
      'default_capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]',
      '[engine]',
      ...(['/usr/sbin/runc', '/usr/bin/runc', '/usr/local/sbin/runc', '/usr/local/bin/runc'].some((each) => existsSync(each))
        ? ['runtime = "runc"']
        : []),
      'cgroup_manager = "cgroupfs"',
      'events_logger = "file"',
      '',
    ].join('\n'),
  };
}

/** A limit above the one that this process has cannot be set, and an engine that tries ends there. */
function hardLimit(name: string, wanted: number): string {
  const text = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : '';
  const hard = new RegExp(`^${name} +\\S+ +(\\d+) `, 'm').exec(text)?.[1];
  const limit = hard === undefined ? wanted : Math.min(wanted, Number(hard));
  return `${limit}:${limit}`;
}

/** /usr, and /bin, /lib … as the host has them: links into /usr, or folders. */
function systemFolders(): string[] {
  const more = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'].flatMap((each) => {
    const entry = lstatSync(each, { throwIfNoEntry: false });
    if (!entry) return [];
    return entry.isSymbolicLink() ? ['--symlink', readlinkSync(each), each] : ['--ro-bind', each, each];
  });
  return ['--ro-bind', '/usr', '/usr', ...more];
}
