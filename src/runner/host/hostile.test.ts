import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { execa } from 'execa';
import { jobSpec, runStep } from '../contract.ts';
import type { JobHandle } from '../port.ts';
import { identify, isRunning } from './process.ts';
import { openTestRunner } from './testing.ts';

type Opened = Awaited<ReturnType<typeof openTestRunner>>;
const never = new AbortController().signal;

const probed = await (async () => {
  await using runner = await openTestRunner();
  return await runner.isolation();
})();
const warn = (text: string): void => {
  // oxlint-disable-next-line no-console -- a missing wall must be seen
  console.warn(`SKIPPED: ${text}`);
};
const noSandbox = probed.ok ? false : `no sandbox here: ${probed.reason}`;
const noNetwork = !probed.ok ? noSandbox : probed.network ? false : `no filtered network here: ${probed.details.join('; ')}`;
if (noNetwork) warn(noNetwork);

/** A step that passes has broken through; what it prints must not hold the secret either. */
const attacks: readonly { name: string; run: string }[] = [
  { name: "reads Waybill's data by its path", run: 'cat "$STATE/secret"' },
  { name: 'looks into the state folder', run: 'ls "$STATE"' },
  { name: 'reads another workspace', run: 'cat "$OTHER/secret"' },
  { name: 'reads another workspace through its own parent', run: 'cat ../../*/workspace/secret /workspace/../*/workspace/secret' },
  { name: 'reads another workspace through a link', run: 'ln -s "$OTHER" other; cat other/secret' },
  { name: 'looks into /root', run: 'ls /root' },
  { name: 'looks into /home of the host', run: 'ls /home | grep -v "^build$" | grep .' },
  { name: 'reads /etc/shadow', run: 'cat /etc/shadow' },
  { name: "reads the host's private keys", run: 'ls /etc/ssl/private' },
  {
    name: 'looks into /var, /run of the host, /sys or /boot',
    run: 'ls /var || ls /sys || ls /boot || ls /run | grep -v "^waybill$" | grep .',
  },
  {
    name: 'talks to sockets of the host',
    run: 'ls /run/docker.sock /var/run/docker.sock /run/dbus/system_bus_socket /run/systemd/private 2>/dev/null | grep .',
  },
  { name: 'reads disks', run: 'ls /dev | grep -E "^(sd|vd|nvme|loop|dm-|mem|kmem|kvm|fuse|net)"' },
  { name: 'makes a device', run: 'mknod disk b 254 0 || mknod /tmp/disk b 254 0' },
  { name: 'finds the environment of a host process', run: 'cat /proc/*/environ | tr "\\0" "\\n" | grep -a "^WAYBILL_TEST_SECRET="' },
  { name: 'sees the test process', run: 'kill -0 "$TEST_PID"' },
  { name: 'sees host processes', run: 'test "$(ls -d /proc/[0-9]* | wc -l)" -gt 10' },
  { name: 'kills everything that it can', run: 'kill -KILL -1; kill -KILL 1; exit 1' },
  { name: 'writes to /usr', run: 'touch /usr/broken' },
  { name: 'writes to /etc', run: 'touch /etc/broken || echo x >> /etc/passwd' },
  { name: 'writes to /', run: 'touch /broken || mkdir /broken' },
  { name: 'changes its own scripts', run: 'echo x >> /run/waybill/init || touch /run/waybill/x' },
  {
    name: 'writes to /proc/sys',
    run: 'echo x > /proc/sys/kernel/hostname || echo 1 > /proc/sys/vm/drop_caches || echo "|/bin/true" > /proc/sys/kernel/core_pattern',
  },
  { name: 'pulls the magic key', run: 'test -w /proc/sysrq-trigger && echo h > /proc/sysrq-trigger' },
  { name: 'renames the host', run: 'hostname evil' },
  { name: 'mounts', run: 'mount -t tmpfs none /tmp || mount --bind /usr /tmp' },
  { name: 'unmounts', run: 'umount /usr || umount -l /etc' },
  { name: 'makes a user namespace', run: 'unshare --user true || unshare --user --map-root-user true' },
  { name: 'makes a mount, network or process namespace', run: 'unshare --mount true || unshare --net true || unshare --pid true' },
  { name: 'enters the namespaces of process 1', run: 'nsenter --target 1 --all true' },
  { name: 'becomes root through a set-uid program', run: 'su -c true </dev/null || sudo -n true || newgrp root -c true' },
  { name: 'is root', run: 'test "$(id -u)" = 0' },
  { name: 'has a capability', run: 'grep -E "^Cap(Inh|Prm|Eff|Bnd|Amb):" /proc/self/status | grep -vE "0{16}$"' },
  { name: 'may gain privileges', run: 'grep -E "^NoNewPrivs:[^1]*$" /proc/self/status' },
  { name: 'gives a file to root, set-uid', run: 'cp /bin/sh s && chmod 4755 s && chown 0:0 s' },
  { name: 'configures the network', run: 'ip link set lo down || ip addr add 192.0.2.77/24 dev lo || ip route add default dev lo' },
  { name: 'loads a module', run: 'modprobe dummy || insmod /nothing.ko' },
  { name: 'sets the clock', run: 'date -s "2001-01-01"' },
  { name: 'reads the kernel log', run: 'dmesg' },
  { name: 'fills a core dump', run: 'test "$(ulimit -c)" != 0' },
  { name: 'raises its limits', run: 'ulimit -c 100 || ulimit -u 100000 2>/dev/null' },
];

/** System calls that the filter must deny; the program exits 0 when one gets through. */
const calls: readonly { name: string; python: string }[] = [
  { name: 'keyctl', python: 'call(250 if x86 else 219, 0, -3, 1)' },
  { name: 'add_key', python: 'call(248 if x86 else 217, b"user", b"x", b"y", 1, -3)' },
  { name: 'bpf', python: 'call(321 if x86 else 280, 0, 0, 0)' },
  { name: 'perf_event_open', python: 'call(298 if x86 else 241, 0, 0, -1, -1, 0)' },
  { name: 'userfaultfd', python: 'call(323 if x86 else 282, 1)' },
  { name: 'io_uring_setup', python: 'call(425, 8, ctypes.create_string_buffer(120))' },
  { name: 'open_tree', python: 'call(428, -100, b"/usr", 1)' },
  { name: 'fsopen', python: 'call(430, b"tmpfs", 0)' },
  { name: 'setns', python: 'call(308 if x86 else 268, os.open("/proc/self/ns/uts", 0), 0)' },
  { name: 'clone with a user namespace', python: 'call(56 if x86 else 220, 0x10000000 | 17, 0, 0, 0, 0)' },
  { name: 'clone3', python: 'call(435, ctypes.create_string_buffer(88), 88)' },
  { name: 'unshare of a user namespace', python: 'call(272 if x86 else 97, 0x10000000)' },
  { name: 'typing into the terminal', python: 'call(16 if x86 else 29, 0, 0x5412, b"x")' },
  { name: 'typing into the terminal, with high bits', python: 'call(16 if x86 else 29, 0, 0x100005412, b"x")' },
  { name: 'an odd personality', python: 'call(135 if x86 else 92, 0x0400000)' },
];
const denied = (call: string): string => `python3 - <<'END'
import ctypes, os, platform, sys
x86 = platform.machine() == 'x86_64'
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    errno = ctypes.get_errno()
    if result == 0 and 'clone' in ${JSON.stringify(call)}: os._exit(0)
    print(result, errno)
    sys.exit(1 if result == -1 and errno in (1, 38) else 0)
${call}
END`;

describe('hostile steps', { skip: noSandbox }, () => {
  let runner: Opened;
  let victim: JobHandle;
  const secret = 'the-secret-of-the-host';
  before(async () => {
    runner = await openTestRunner({ limits: { maxProcesses: 150, graceMs: 100 } });
    writeFileSync(join(runner.folder, 'secret'), secret, { mode: 0o644 });
    victim = await runner.start(jobSpec(), never);
    await runStep(victim, `echo ${secret} > secret`);
  });
  after(() => runner[Symbol.asyncDispose]());

  describe('get nowhere', { concurrency: 2 }, () => {
    for (const { name, run } of attacks) {
      test(name, async () => {
        const env = { STATE: runner.folder, OTHER: victim.workspace, TEST_PID: String(process.pid) };
        await using job = await runner.start(jobSpec({ env }), never);
        const { result, lines } = await runStep(job, run, { timeoutMs: 20_000 });
        assert.equal(result.status, 'failed', lines.map(({ text }) => text).join('\n'));
        assert.ok(!lines.some(({ text }) => text.includes(secret)));
        assert.ok(existsSync(join(victim.workspace, 'secret')));
      });
    }
  });

  describe('may not call', { concurrency: 2 }, () => {
    for (const { name, python } of calls) {
      test(name, async () => {
        await using job = await runner.start(jobSpec(), never);
        const { result, out, err } = await runStep(job, denied(python));
        assert.equal(result.exitCode, 1, [...out, ...err].join('\n'));
      });
    }
    for (const [family, number] of Object.entries({ AF_VSOCK: 40, AF_ALG: 38, AF_PACKET: 17 })) {
      test(`a socket of ${family}`, async () => {
        await using job = await runner.start(jobSpec(), never);
        const { out } = await runStep(
          job,
          `python3 -c 'import socket; socket.socket(${number}, 2 if ${number} == 17 else 1, 0)' 2>&1 || echo refused`,
        );
        assert.equal(out.at(-1), 'refused');
        assert.ok(
          out.some((line) => line.includes('Address family not supported')),
          out.join('\n'),
        );
      });
    }
  });

  test('a fork bomb ends at the limit, and with its step', async () => {
    await using job = await runner.start(jobSpec(), never);
    await using other = await runner.start(jobSpec(), never);
    const bomb = runStep(job, 'b() { b | b & }; b 2>/dev/null; sleep 60', { timeoutMs: 1500 });
    assert.equal((await runStep(other, 'i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i+1)); done')).result.status, 'passed');
    // Its own shell may be refused the next process, or be alive until the end: both are an end.
    assert.match((await bomb).result.status, /^(timed-out|failed)$/);
    assert.equal((await runStep(job, 'ls -d /proc/[0-9]* | wc -l')).result.status, 'passed');
  });

  test('a process beyond the limit is refused', async () => {
    await using job = await runner.start(jobSpec(), never);
    const { result, err } = await runStep(job, 'i=0; while [ $i -lt 200 ]; do sleep 30 & i=$((i+1)); done', { timeoutMs: 20_000 });
    assert.equal(result.status, 'failed');
    assert.ok(
      err.some((line) => /fork/i.test(line)),
      err.join('\n'),
    );
  });

  test('a line without end is cut, and so is a step that says too much', async () => {
    await using small = await openTestRunner({ limits: { maxLineBytes: 4096, maxOutputBytes: 5_000_000 } });
    await using job = await small.start(jobSpec(), never);
    const { result, out } = await runStep(job, "head -c 4000000 /dev/zero | tr '\\0' x");
    assert.equal(result.status, 'passed');
    assert.ok(out.length >= 976 && out.every(({ length }) => length <= 4096));
    assert.match(JSON.stringify((await runStep(job, "head -c 6000000 /dev/zero | tr '\\0' x")).result), /wrote more than 5000000 bytes/);
  });

  test('a preloaded library runs as nobody but the job', async () => {
    await using job = await runner.start(jobSpec(), never);
    const { result } = await runStep(job, 'test -n "$LD_PRELOAD" && test "$(id -u)" != 0', { env: { LD_PRELOAD: '/workspace/evil.so' } });
    assert.equal(result.status, 'passed');
  });

  test('links in a workspace lead nowhere when it goes', async () => {
    const kept = mkdtempSync(join(tmpdir(), 'kept-'));
    writeFileSync(join(kept, 'file'), 'x');
    const job = await runner.start(jobSpec(), never);
    await runStep(job, `ln -s ${kept} link; ln -s ${kept}/file file; ln -s / root; mkdir d; ln -s ${kept} d/link; chmod 000 d`);
    await job[Symbol.asyncDispose]();
    assert.equal(readFileSync(join(kept, 'file'), 'utf8'), 'x');
    rmSync(kept, { recursive: true });
  });

  test('the usual tools work inside', async () => {
    await using job = await runner.start(jobSpec(), never);
    const tools = ['git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --oneline | grep -q x'];
    tools.push(
      'printf "all:\\n\\techo made\\n" > Makefile && make | grep -q made',
      'node -e "console.log(process.uptime())"',
      'npm --version',
      "python3 -c 'import threading; threading.Thread(target=print).start()'",
    );
    tools.push(
      "node -e \"new (require('worker_threads').Worker)('0', { eval: true })\"",
      'touch ~/x /tmp/x /dev/shm/x',
      'test "$(hostname)" = waybill',
      'id -un | grep -q build',
    );
    for (const run of tools) {
      const { result, lines } = await runStep(job, run);
      assert.equal(result.status, 'passed', `${run}: ${lines.map(({ text }) => text).join('\n')}`);
    }
  });
});

/** Exits 0 when it got through to `host`:`port`; `bound` skips the routes and goes straight to the device. */
const connect = (host: string, port: number, bound = false): string => `python3 - <<'END'
import socket, sys
s = socket.socket()
s.settimeout(1.5)
if ${bound ? 'True' : 'False'}: s.setsockopt(socket.SOL_SOCKET, 25, b'tap0')
try:
    s.connect((${JSON.stringify(host)}, ${port}))
    s.send(b'x')
except OSError as error:
    print(error)
    sys.exit(1)
END`;

/** Sends to every host plainly, bound to the device's address, to the device, and with the device named in the message. */
const sendDatagrams = (hosts: readonly string[], port: number): string => `python3 - <<'END'
import socket, struct, time
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return s
def bound(s, host): s.bind(('10.0.2.100', 0)); s.sendto(host.encode(), (host, ${port}))
def device(s, host): s.setsockopt(socket.SOL_SOCKET, 25, b'tap0'); s.sendto(host.encode(), (host, ${port}))
def named(s, host):
    info = struct.pack('=I4s4s', socket.if_nametoindex('tap0'), bytes(4), bytes(4))
    s.sendmsg([host.encode()], [(0, 8, info)], 0, (host, ${port}))
def plain(s, host): s.sendto(host.encode(), (host, ${port}))
for host in ${JSON.stringify(hosts)}:
    for how in (plain, bound, device, named):
        try: how(udp(), host)
        except OSError: pass
time.sleep(0.5)
print('done')
END`;

describe('a filtered network', { skip: noNetwork }, () => {
  let runner: Opened;
  let server: Server;
  let port: number;
  let connections = 0;
  const own = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
  before(async () => {
    runner = await openTestRunner();
    server = createServer((socket) => {
      connections += 1;
      socket.on('error', () => undefined).destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve)); // all addresses: the worst case
    ({ port } = server.address() as AddressInfo);
  });
  after(async () => {
    await runner[Symbol.asyncDispose]();
    server.close();
  });

  test('reaches nothing of this host, its network and its cloud', async () => {
    await using job = await runner.start(jobSpec({ network: 'filtered' }), never);
    const hosts = [
      '127.0.0.1',
      '127.0.0.53',
      '0.0.0.0',
      '10.0.2.2',
      '10.0.2.3',
      '10.0.2.255',
      '255.255.255.255',
      '169.254.169.254',
      '100.100.100.200',
      ...own,
    ];
    for (const host of hosts) {
      for (const bound of [false, true]) {
        const { result } = await runStep(job, connect(host, port, bound));
        assert.equal(result.status, 'failed', `${host}${bound ? ', bound to the device' : ''}`);
      }
    }
    for (const host of ['10.1.2.3', '172.16.0.1', '192.168.0.1', '198.18.0.1', '224.0.0.1']) {
      const { out } = await runStep(job, connect(host, 80));
      assert.match(out.join(' '), /unreachable|No route to host/i, host);
    }
    assert.equal(connections, 0);
  });

  test('sends no datagram to this host or to groups', async () => {
    const udp = createSocket({ type: 'udp4', reuseAddr: true });
    const received: string[] = [];
    udp.on('message', (message) => received.push(message.toString()));
    await new Promise<void>((resolve) => udp.bind(0, '0.0.0.0', resolve));
    using stack = new DisposableStack();
    stack.defer(() => udp.close());
    udp.addMembership('224.0.0.251'); // on the interface of the default route, from which slirp4netns would send
    const hosts = ['224.0.0.251', '255.255.255.255', '127.0.0.1', '127.0.0.53', '10.0.2.2', '10.0.2.3', ...own];
    await using job = await runner.start(jobSpec({ network: 'filtered' }), never);
    const { out } = await runStep(job, sendDatagrams(hosts, udp.address().port));
    assert.deepEqual(out, ['done']);
    assert.deepEqual(received, []);
  });

  test('has no IPv6 beyond its own loopback', async () => {
    await using job = await runner.start(jobSpec({ network: 'filtered' }), never);
    const { out } = await runStep(job, 'cat /proc/net/if_inet6 2>/dev/null | grep -v " lo$" || :; ip -6 route show default');
    assert.deepEqual(out, []);
  });

  test('cannot be changed by a step', async () => {
    await using job = await runner.start(jobSpec({ network: 'filtered' }), never);
    for (const run of [
      'ip route del unreachable 10.0.0.0/8',
      `ip route add ${own[0] ?? '10.9.9.9'}/32 via 10.0.2.2 dev tap0`,
      'ip neigh add 10.9.9.9 lladdr 52:55:0a:00:02:02 dev tap0',
      'ip link set tap0 down',
    ]) {
      assert.equal((await runStep(job, run)).result.status, 'failed', run);
    }
  });

  test('is not shared between jobs, but between the steps of one', async () => {
    await using one = await runner.start(jobSpec({ network: 'filtered' }), never);
    await using two = await runner.start(jobSpec({ network: 'filtered' }), never);
    const inode = async (job: typeof one): Promise<string> => (await runStep(job, 'readlink /proc/self/ns/net')).out.join('');
    assert.equal(await inode(one), await inode(one));
    assert.notEqual(await inode(one), await inode(two));
  });

  test('ends with its job', async () => {
    const job = await runner.start(jobSpec({ id: 'net-end', network: 'filtered' }), never);
    const record = JSON.parse(readFileSync(join(runner.folder, 'jobs', 'net-end.json'), 'utf8')) as {
      processes: ReturnType<typeof identify>[];
    };
    assert.equal(record.processes.length, 2);
    assert.ok(record.processes.every(isRunning));
    await job[Symbol.asyncDispose]();
    assert.ok(!record.processes.some(isRunning));
  });

  test('opens an address that an administrator names', async (t) => {
    const [address] = own;
    if (!address) return t.skip('this host has no address besides loopback');
    await using allowing = await openTestRunner({ allowAddresses: [`${address}/32`] });
    await using job = await allowing.start(jobSpec({ network: 'filtered' }), never);
    const { result, out } = await runStep(job, connect(address, port));
    assert.equal(result.status, 'passed', out.join('\n'));
  });

  test('reaches the npm registry', async (t) => {
    const reachable = await execa('npm', ['view', 'is-number', 'version'], { timeout: 15_000 }).then(
      () => true,
      () => false,
    );
    if (!reachable) {
      warn('the npm registry does not answer here');
      return t.skip('the npm registry does not answer here');
    }
    await using job = await runner.start(jobSpec({ network: 'filtered' }), never);
    const { result, lines } = await runStep(job, 'npm view is-number version');
    assert.equal(result.status, 'passed', lines.map(({ text }) => text).join('\n'));
    assert.match(lines.map(({ text }) => text).join(' '), /\d+\.\d+\.\d+/);
  });

  test('is not what a job without network has', async () => {
    await using job = await runner.start(jobSpec({ network: 'none' }), never);
    assert.deepEqual(
      (await runStep(job, 'awk -F: "NR > 2 { print \\$1 }" /proc/net/dev')).out.map((line) => line.trim()),
      ['lo'],
    );
    assert.equal((await runStep(job, connect('1.1.1.1', 443))).result.status, 'failed');
    assert.equal((await runStep(job, connect('127.0.0.1', port))).result.status, 'failed');
    assert.equal(connections, 1); // the one that was allowed above
  });
});
