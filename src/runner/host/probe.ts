import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { messageOf } from '../../kernel/error.ts';
import type { Isolation, JobHandle, StepResult } from '../port.ts';
import { startJob, type JobContext } from './job.ts';
import { findProgram } from './programs.ts';

const probeMs = 30_000;

/** Says `name=value` per line; everything that the isolation promises is looked at from within. */
const script = `
echo "uid=$(id -u)"
grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t ' | tr ':' '='
echo "map=$(awk '{ print $2 }' /proc/self/uid_map)"
echo "processes=$(awk '/^Max processes/ { print $4 }' /proc/self/limits)"
echo "interfaces=$(awk -F: 'NR > 2 { gsub(/ /, "", $1); printf "%s ", $1 }' /proc/net/dev)"
for path in /root /var /srv /sys /boot /etc/shadow "$OUTSIDE"; do if [ -e "$path" ]; then echo "visible=$path"; fi; done
for path in / /usr /etc /run/waybill; do if touch "$path/probe" 2>/dev/null; then echo "writable=$path"; fi; done
for path in /workspace "$HOME" /tmp /dev/shm; do if ! touch "$path/probe"; then echo "readonly=$path"; fi; done
`;

type Finding = { readonly name: string; readonly value: string };

/** Runs small jobs for real and believes only what they saw. Their ids are in `ids` while they run. */
export async function probeIsolation(context: JobContext, ids: Set<string>): Promise<Isolation> {
  if (context.options.unsafeNoSandbox) {
    return {
      ok: true,
      network: true,
      details: ['NO SANDBOX: steps run as plain processes of this user and nothing that ran may be signed'],
    };
  }
  try {
    const { findings, result } = await runProbe(context, 'none', ids);
    if (result.status !== 'passed') return { ok: false, reason: `The test step in the sandbox failed: ${result.reason}` };
    const wrong = judge(context, findings);
    if (wrong.length > 0) return { ok: false, reason: `The sandbox does not isolate here: ${wrong.join('; ')}` };
    const network = await probeNetwork(context, ids);
    return { ok: true, network: network === undefined, details: details(context, network) };
  } catch (error) {
    return { ok: false, reason: explain(messageOf(error)) };
  }
}

/** undefined when a filtered network can be made here, else why not. */
async function probeNetwork(context: JobContext, ids: Set<string>): Promise<string | undefined> {
  const missing = (['slirp4netns', 'ip', 'nsenter', 'unshare'] as const).filter((name) => !findProgram(name));
  if (missing.length > 0) return `not installed: ${missing.join(', ')} (Debian and Ubuntu: apt install slirp4netns iproute2 util-linux)`;
  try {
    const { findings, result } = await runProbe(context, 'filtered', ids);
    const interfaces = valueOf(findings, 'interfaces');
    if (result.status === 'passed' && interfaces.split(' ').sort().join(' ') === 'lo tap0') return undefined;
    return `the test step saw the interfaces ${interfaces || 'none'}`;
  } catch (error) {
    const message = messageOf(error);
    return message.includes('/dev/net/tun') || /tun/i.test(message)
      ? `${message}. Make /dev/net/tun readable and writable for Waybill's user (modprobe tun; chmod 666 /dev/net/tun)`
      : message;
  }
}

async function runProbe(
  context: JobContext,
  network: 'none' | 'filtered',
  ids: Set<string>,
): Promise<{ findings: Finding[]; result: StepResult }> {
  const empty = pack();
  empty.finalize();
  const signal = AbortSignal.timeout(probeMs);
  const spec = { id: `probe-${randomUUID()}`, source: { tar: Readable.from(empty) }, env: { OUTSIDE: context.options.folder }, network };
  ids.add(spec.id);
  using stack = new DisposableStack();
  stack.defer(() => ids.delete(spec.id));
  await using job: JobHandle = await startJob(context, spec, signal);
  const findings: Finding[] = [];
  const result = await job.step(
    { run: script, env: { PATH: '/usr/bin:/bin' } },
    {
      signal,
      timeoutMs: probeMs,
      onLine({ text }) {
        const at = text.indexOf('=');
        if (at > 0) findings.push({ name: text.slice(0, at), value: text.slice(at + 1).trim() });
      },
    },
  );
  return { findings, result };
}

function judge({ root, seccomp, limits }: JobContext, findings: readonly Finding[]): string[] {
  const wrong: string[] = [];
  const expect = (name: string, expected: RegExp): void => {
    const value = valueOf(findings, name);
    if (!expected.test(value)) wrong.push(`${name} is ${value || 'unknown'}`);
  };
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(set, /^0+$/);
  expect('NoNewPrivs', /^1$/);
  if (seccomp) expect('Seccomp', /^2$/);
  expect('interfaces', /^lo$/);
  expect('processes', new RegExp(`^${limits.maxProcesses}$`));
  expect('uid', /^[1-9]\d*$/);
  if (!root) expect('map', /^\d+$/);
  for (const { name, value } of findings) if (['visible', 'writable', 'readonly'].includes(name)) wrong.push(`${value} is ${name}`);
  return wrong;
}

function valueOf(findings: readonly Finding[], name: string): string {
  return findings.find((finding) => finding.name === name)?.value ?? '';
}

function details({ root, seccomp, options }: JobContext, network: string | undefined): string[] {
  return [
    root ? 'bubblewrap as root: every job has an unprivileged user id of its own' : 'bubblewrap in a user namespace of this user',
    seccomp ? 'system calls are filtered' : `system calls are not filtered: there is no filter for ${process.arch}`,
    network === undefined ? 'filtered network through slirp4netns' : `no filtered network: ${network}`,
    ...(options.allowAddresses.length > 0 ? [`steps reach ${options.allowAddresses.join(', ')} besides public addresses`] : []),
  ];
}

/** What bwrap says when it is refused, with what helps. */
function explain(message: string): string {
  if (/namespace|uid map|Operation not permitted/i.test(message)) {
    return `${message}. User namespaces seem to be disabled for this user: set kernel.unprivileged_userns_clone=1, user.max_user_namespaces=15000, and where AppArmor is in the way kernel.apparmor_restrict_unprivileged_userns=0 (or run Waybill as root, outside of a container)`;
  }
  return message;
}
