import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { assemble, ifEqual, ret } from './bpf.ts';
import { initScript } from './environment.ts';
import { resultOfExit } from './exit.ts';
import { lineSplitter } from './lines.ts';
import { Owners } from './owner.ts';
import { parseCidr, routeCommands } from './routes.ts';
import { seccompProgram } from './seccomp.ts';

describe('lines', () => {
  const split = (chunks: readonly Buffer[], max: number): string[] => {
    const lines: string[] = [];
    const splitter = lineSplitter(max, (text) => lines.push(text));
    for (const chunk of chunks) splitter.write(chunk);
    splitter.end();
    return lines;
  };

  test('are the same however the bytes arrive', () => {
    const text = fc
      .array(fc.constantFrom('a', 'ä', '€', '😀', '\n', '\r\n', '\r', 'longer words'), { maxLength: 60 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 7 }), (text, size) => {
        const bytes = Buffer.from(text);
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
        const expected = text.split('\n').map((line) => line.replace(/\r$/, ''));
        if (text.endsWith('\n') || text === '') expected.pop();
        assert.deepEqual(split(chunks, 10_000), expected);
      }),
    );
  });

  test('are never longer than allowed and lose nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 4, max: 30 }), (given, max) => {
        const text = given.replaceAll(/[\r\n]/g, '');
        const lines = split([Buffer.from(text)], max);
        assert.ok(lines.every((line) => Buffer.byteLength(line) <= max));
        assert.equal(lines.join(''), text);
      }),
    );
  });
});

describe('the environment', () => {
  test('comes out of a real shell as it went into the script', () => {
    const value = fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => !text.includes('\0') && text.isWellFormed());
    fc.assert(
      fc.property(value, (value) => {
        const exports = initScript({ VALUE: value }, { maxProcesses: 1, maxFileBytes: 1 }).match(
          /^export VALUE=[^]*?(?=\nset \+e\n)/m,
        )?.[0];
        const { stdout } = spawnSync('/bin/sh', ['-c', `${exports}\nprintf %s "$VALUE"`], { encoding: 'buffer' });
        assert.deepEqual(stdout, Buffer.from(value));
      }),
      { numRuns: 40 },
    );
  });

  test('has names that no shell can misread', () => {
    for (const name of ['', 'A B', 'A;B', '1A', 'A\n', '$(id)', 'A=B', 'ä']) {
      assert.throws(() => initScript({ [name]: '' }, { maxProcesses: 1, maxFileBytes: 1 }), { code: 'INVALID_INPUT' }, name);
    }
    assert.throws(() => initScript({ A: 'x'.repeat(2_000_000) }, { maxProcesses: 1, maxFileBytes: 1 }), { code: 'LIMIT_EXCEEDED' });
  });
});

describe('routes', () => {
  const table: readonly { own: string[]; allow: string[]; has: RegExp[]; hasNot: RegExp[] }[] = [
    {
      own: ['127.0.0.1', '203.0.113.9', '::1'],
      allow: [],
      has: [/unreachable 203\.0\.113\.9\/32/, /unreachable 10\.0\.0\.0\/8/, /unreachable 127\.0\.0\.0\/8/],
      hasNot: [/127\.0\.0\.1/, /::1/],
    },
    { own: ['10.1.2.3'], allow: ['10.1.0.0/16'], has: [/unreachable 10\.1\.2\.3\/32/, /replace 10\.1\.0\.0\/16 via/], hasNot: [] },
    { own: ['10.1.2.3'], allow: ['10.1.2.3'], has: [/replace 10\.1\.2\.3\/32 via/], hasNot: [/unreachable 10\.1\.2\.3/] },
    {
      own: [],
      allow: ['10.0.0.0/8', '10.0.2.2/32'],
      has: [/replace 10\.0\.0\.0\/8 via/, /unreachable 10\.0\.2\.2\/32/],
      hasNot: [/unreachable 10\.0\.0\.0\/8/],
    },
  ];
  for (const { own, allow, has, hasNot } of table) {
    test(`of a host with ${own.join(', ') || 'no address'} that allows ${allow.join(', ') || 'nothing'}`, () => {
      const commands = routeCommands(own, allow);
      for (const pattern of has) assert.match(commands, pattern);
      for (const pattern of hasNot) assert.doesNotMatch(commands, pattern);
    });
  }

  test('are made of addresses only', () => {
    assert.equal(parseCidr('10.1.2.3/8'), '10.0.0.0/8');
    assert.equal(parseCidr('1.2.3.4'), '1.2.3.4/32');
    assert.equal(parseCidr('1.2.3.4/0'), '0.0.0.0/0');
    for (const bad of ['', '10.0.0.0/33', '10.0.0/8', '10.0.0.0/8\nlink set', '::1/128', '10.0.0.0/8/8', 'a']) {
      assert.throws(() => parseCidr(bad), { code: 'INVALID_INPUT' }, bad);
    }
  });
});

describe('the filter of system calls', () => {
  test('exists for both architectures, and only for them', () => {
    for (const arch of ['x64', 'arm64']) assert.equal((seccompProgram(arch)?.length ?? 1) % 8, 0);
    assert.equal(seccompProgram('riscv64'), undefined);
  });

  test('is refused when a jump leaves it or it does not return', () => {
    assert.throws(() => assemble([ifEqual(1, 1, 0), ret(0)]), { code: 'INTERNAL' });
    assert.throws(() => assemble([ret(0), ifEqual(1, 0, 0)]), { code: 'INTERNAL' });
    assert.throws(() => assemble([]), { code: 'INTERNAL' });
    assert.deepEqual([...assemble([ret(0x7fff0000)])], [6, 0, 0, 0, 0, 0, 0xff, 0x7f]);
  });
});

describe('owners', () => {
  test('are different for all jobs at a time, and for other folders', () => {
    const owners = new Owners('/a', { uid: 0, gid: 0 }, '0 0 4294967295');
    const one = owners.take();
    const two = owners.take();
    assert.notEqual(one.uid, two.uid);
    assert.ok(one.separate && one.uid >= 2_000_000_000 && one.uid < 2 ** 31);
    assert.notEqual(new Owners('/b', { uid: 0, gid: 0 }, '0 0 4294967295').take().uid, one.uid);
    owners.release(one);
    assert.equal(owners.take().uid, one.uid);
  });

  test('fit into the ids of a container', () => {
    const { uid } = new Owners('/a', { uid: 0, gid: 0 }, '0 1000 1\n1 100000 65536').take();
    assert.ok(uid > 0 && uid + 1000 <= 65_537);
  });

  test('are nobody but ourselves without root', () => {
    assert.deepEqual(new Owners('/a', { uid: 5, gid: 6 }, '').take(), { uid: 5, gid: 6, separate: false });
  });
});

describe('what an exit means', () => {
  const table: readonly { code: number | null; signal: NodeJS.Signals | null; reason: RegExp }[] = [
    { code: 137, signal: null, reason: /SIGKILL \(out of memory\?\)/ },
    { code: 153, signal: null, reason: /SIGXFSZ \(a file became larger/ },
    { code: null, signal: 'SIGKILL', reason: /SIGKILL/ },
    { code: 255, signal: null, reason: /exit code 255/ },
  ];
  for (const { code, signal, reason } of table) {
    test(`${code ?? signal}`, () => {
      const result = resultOfExit(code, signal);
      assert.equal(result.status, 'failed');
      assert.match(result.status === 'failed' ? result.reason : '', reason);
    });
  }
});
