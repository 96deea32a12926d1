import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { goBinary } from './go-binary.ts';

const marks = [Buffer.from('3077af0c9274080241e1c107e6d618e6', 'hex'), Buffer.from('f932433186182072008242104116d8f2', 'hex')] as const;
const list =
  'path\texample.com/shop\nmod\texample.com/shop\tv1.0.0\th1:x=\ndep\tgolang.org/x/net\tv0.1.0\th1:y=\ndep\told.io/a\tv1.0.0\n=>\tfork.io/a\tv1.0.1\th1:z=\ndep\tlocal.io/b\tv2.0.0\n=>\t./b\t(devel)\t\n';
/** As the linker writes it from Go 1.18 on, somewhere in a program. */
function program(version: string | undefined, modules: string | undefined, at = 64): Buffer {
  const head = Buffer.alloc(32);
  head.write('\xff Go buildinf:', 0, 'latin1');
  head[14] = 8;
  head[15] = version === undefined ? 0 : 2;
  const inline = version === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.from([version.length]), Buffer.from(version)]);
  const mod = modules === undefined ? Buffer.alloc(0) : Buffer.concat([marks[0], Buffer.from(modules), marks[1]]);
  return Buffer.concat([Buffer.from('7f454c460201', 'hex'), Buffer.alloc(at - 6), head, inline, mod, Buffer.alloc(5000)]);
}
async function read(bytes: Buffer, piece = bytes.length) {
  const probe = goBinary('bin/shop', bytes.subarray(0, Math.max(piece, 4096)));
  assert.ok(probe);
  for (let at = 0; at < bytes.length; at += piece) probe.add(bytes.subarray(at, at + piece));
  const { components, skipped } = await probe.end();
  return { purls: components.map(({ purl }) => purl), skipped: skipped.map(({ detail }) => detail) };
}
const modules = ['pkg:golang/example.com/shop@v1.0.0', 'pkg:golang/golang.org/x/net@v0.1.0', 'pkg:golang/fork.io/a@v1.0.1'];

suite('programs that Go has built', () => {
  for (const [version, purl] of [
    ['go1.22.3', 'v1.22.3'],
    ['go1.22.3 X:boringcrypto', 'v1.22.3'],
    ['go1.20', 'v1.20.0'],
    ['go1.22rc1', 'v1.22.0-rc.1'],
  ] as const)
    test(`${version}: its library and modules, with what replaces them`, async () => {
      for (const piece of [1, 100, 1024, 100_000])
        assert.deepEqual(await read(program(version, list), piece), { purls: [`pkg:golang/stdlib@${purl}`, ...modules], skipped: [] });
    });

  test('a real one: the compiler of this project', async (t) => {
    const folder = path.join(import.meta.dirname, '../../../../node_modules/@typescript');
    const file = globSync('typescript-*/lib/tsc*', { cwd: folder }).find((name) => /tsc(?:\.exe)?$/.test(name));
    if (file === undefined) {
      // oxlint-disable-next-line no-console -- a skipped test must be loud
      console.warn('SKIPPED: the compiler of TypeScript is no program of Go here, so none was read');
      return t.skip('no program');
    }
    const found = await read(await readFile(path.join(folder, file)), 4 * 1024 * 1024);
    assert.deepEqual(found.skipped, []);
    assert.ok(
      found.purls.some((purl) => /^pkg:golang\/stdlib@v1\.\d+\.\d+$/.test(purl)),
      found.purls.join(),
    );
    assert.ok(
      found.purls.some((purl) => purl.startsWith('pkg:golang/golang.org/x/text@v0.')),
      found.purls.join(),
    );
  });

  test('one of before 1.18, whose header only points to its version', async () => {
    const found = await read(program(undefined, list));
    assert.deepEqual(found.purls, modules);
    assert.match(found.skipped[0] ?? '', /before 1\.18/);
  });

  test('what cannot be told is a gap', async () => {
    assert.match((await read(program('go1.22.3', undefined))).skipped[0] ?? '', /without modules/);
    assert.match((await read(program('go1.22.3', 'path\texample.com/x\n'))).skipped[0] ?? '', /without modules/);
    assert.deepEqual((await read(program('go1.22.3', 'path\tcmd/go\n'))).skipped, []);
    assert.match((await read(program('devel go1.23-abc', list))).skipped[0] ?? '', /no released Go/);
    assert.match((await read(program('go1.22.3', 'x'.repeat(5_000_000)), 1_000_000)).skipped[0] ?? '', /damaged/);
    const packed = program('go1.22.3', list);
    packed.write('UPX!', 16);
    assert.match((await read(packed)).skipped[0] ?? '', /UPX/);
  });

  test('a header that stands where none can be, in a program that reads others, is none', async () => {
    assert.deepEqual(await read(program('go1.22.3', undefined, 67)), { purls: [], skipped: [] });
    assert.deepEqual(await read(program('any text', undefined)), { purls: [], skipped: [] });
    assert.equal(goBinary('x.txt', program('go1.22.3', list).subarray(64)), undefined);
  });
});
