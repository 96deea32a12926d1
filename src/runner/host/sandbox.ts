import { lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { scriptFolder } from './environment.ts';
import { buildHome, insideIds } from './etc.ts';
import type { Owner } from './owner.ts';
import { needProgram } from './programs.ts';

export type SandboxPlan = {
  readonly owner: Owner;
  /** Host folder of the job, with `workspace`, `home` and `etc` in it. */
  readonly folder: string;
  /** Host paths that are bound over the job's /etc. */
  readonly etc: readonly string[];
  readonly toolchains: readonly string[];
  /** Program and arguments that join the job's network; undefined: an empty one is made for each step. */
  readonly enterNetwork?: readonly string[];
  /** True when descriptor 3 holds a seccomp program. */
  readonly seccomp: boolean;
};

/** Descriptors of bwrap: 3 the seccomp filter, 4 the init script, 5 the step's script, 6 written to once the sandbox stands. */
const descriptors = { seccomp: '3', init: '4', step: '5' };
const tmpBytes = String(2 * 1024 ** 3);
const sharedMemoryBytes = String(512 * 1024 ** 2);

/**
 * The command line of one step. All ends when process 1 of its process namespace ends, and that when its parent does, bwrap's other half.
 * For that signal the parent needs the same user or CAP_KILL, which it has dropped: under root process 1 is therefore bwrap's own and not
 * the step's shell, which another user runs.
 * Under root bwrap builds the sandbox as root, without a user namespace, and setpriv then becomes the job's
 * own user for good before anything of the job is read, not even its environment; `bwrap --uid` would leave it uid 0 on the host. For
 * everybody else a user namespace is what makes the rest possible.
 */
export function sandboxCommand(plan: SandboxPlan): { readonly file: string; readonly args: readonly string[] } {
  const { owner, folder } = plan;
  const { uid, gid } = insideIds(owner);
  const privileges = owner.separate
    ? ['SETUID', 'SETGID', 'SETPCAP'].flatMap((name) => ['--cap-add', `CAP_${name}`])
    : ['--unshare-user', '--uid', String(uid), '--gid', String(gid)];
  const command: readonly (readonly string[])[] = [
    plan.enterNetwork ?? [],
    [needProgram('bwrap'), '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    plan.enterNetwork ? [] : ['--unshare-net'],
    owner.separate ? [] : ['--as-pid-1'],
    ['--die-with-parent', '--new-session', '--clearenv', '--hostname', 'waybill', '--cap-drop', 'ALL'],
    privileges,
    plan.seccomp ? ['--seccomp', descriptors.seccomp] : [],
    systemFolders(),
    ['--proc', '/proc', '--dev', '/dev'],
    ['--perms', '1777', '--size', sharedMemoryBytes, '--tmpfs', '/dev/shm'],
    ['--perms', '1777', '--size', tmpBytes, '--tmpfs', '/tmp'],
    ['--ro-bind', join(folder, 'etc'), '/etc'],
    [...plan.etc, ...plan.toolchains].flatMap((path) => ['--ro-bind', path, path]),
    ['--perms', '0755', '--dir', '/home', '--bind', join(folder, 'home'), buildHome],
    ['--perms', '0755', '--dir', '/run', '--perms', '0755', '--dir', scriptFolder],
    ['--perms', '0444', '--file', descriptors.init, `${scriptFolder}/init`],
    ['--perms', '0444', '--file', descriptors.step, `${scriptFolder}/step`],
    ['--bind', join(folder, 'workspace'), '/workspace', '--chdir', '/workspace'],
    ['--remount-ro', '/', '--'],
    owner.separate ? becomeOwner(owner) : [],
    ['/bin/sh', `${scriptFolder}/init`],
  ];
  const [file = '', ...args] = command.flat();
  return { file, args };
}

function becomeOwner({ uid, gid }: Owner): string[] {
  const ids = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
  const none = ['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--no-new-privs'];
  return [needProgram('setpriv'), ...ids, ...none, '--'];
}

/** /usr, and /bin, /lib … as the host has them: links into /usr, or folders. */
function systemFolders(): string[] {
  const more = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'].flatMap((path) => {
    const entry = lstatSync(path, { throwIfNoEntry: false });
    if (!entry) return [];
    return entry.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path];
  });
  return ['--ro-bind', '/usr', '/usr', ...more];
}
