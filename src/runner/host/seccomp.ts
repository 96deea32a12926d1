import { and, assemble, ifAny, ifAtLeast, ifEqual, load, ret, type Instruction } from './bpf.ts';
import { architectures } from './syscalls.ts';

// Offsets into struct seccomp_data and return values: linux/seccomp.h.
const offset = { number: 0, architecture: 4, argument: (n: number) => 16 + 8 * n };
const allow = ret(0x7fff0000);
const kill = ret(0x80000000);
const fail = (errno: number): Instruction => ret(0x00050000 | errno);
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const newNamespaces = 0x7e020000;
const newTimeNamespace = 0x80; // for unshare only; within clone's flags it is part of the exit signal
const typeIntoTerminal = [0x5412, 0x541c]; // TIOCSTI, TIOCLINUX
/** PER_LINUX, PER_LINUX32, UNAME26 with both, ADDR_NO_RANDOMIZE (sanitizers re-execute with it), and the query. */
const personalities = [0x0, 0x8, 0x20000, 0x20008, 0x40000, 0xffffffff];
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: everything else is kernel surface, or (AF_VSOCK) no part of a network namespace. */
const socketFamilies = [1, 2, 10, 16];

/** `check` judges with the number loaded to be `number`; it must return on every path. */
function onCall(number: number, check: readonly Instruction[]): Instruction[] {
  return [ifEqual(number, 0, check.length), ...check];
}

function oneOf(values: readonly number[], argument: number, found: Instruction, otherwise: Instruction): Instruction[] {
  return [load(offset.argument(argument)), ...values.flatMap((value) => [ifEqual(value, 0, 1), found]), otherwise];
}

/**
 * The filter of every step, for `process.arch`; undefined where we have none. It denies what no build needs and what
 * past escapes went through, and lets the rest pass: the namespaces and the user id are the wall, this is the fence before it.
 */
export function seccompProgram(arch: string): Buffer | undefined {
  const table = architectures[arch];
  if (!table) return undefined;
  return assemble([
    load(offset.architecture),
    ifEqual(table.audit, 1, 0),
    kill,
    load(offset.number),
    ...(table.foreignFrom === undefined ? [] : [ifAtLeast(table.foreignFrom, 0, 1), kill]),
    ...Object.values(table.denied).flatMap((number) => onCall(number, [fail(EPERM)])),
    // Its flags are in memory, which a filter cannot read; C libraries fall back to clone on ENOSYS.
    ...onCall(table.clone3, [fail(ENOSYS)]),
    ...onCall(table.clone, [load(offset.argument(0)), ifAny(newNamespaces, 0, 1), fail(EPERM), allow]),
    ...onCall(table.unshare, [load(offset.argument(0)), and(newNamespaces | newTimeNamespace), ifEqual(0, 0, 1), allow, fail(EPERM)]),
    ...onCall(table.ioctl, oneOf(typeIntoTerminal, 1, fail(EPERM), allow)),
    ...onCall(table.personality, oneOf(personalities, 0, allow, fail(EPERM))),
    ...onCall(table.socket, oneOf(socketFamilies, 0, allow, fail(EAFNOSUPPORT))),
    allow,
  ]);
}
