import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { tarEntries } from './tar-entries.ts';
import { tarOf } from './image/test-image.ts';

/** A header with a right checksum. */
function header(
  name: string,
  size: number,
  more: { type?: string; magic?: string; link?: string; prefix?: string; number?: Buffer } = {},
): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write(name, 0, 100);
  bytes.write('0000644\0', 100);
  if (more.number) more.number.copy(bytes, 124);
  else bytes.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  bytes.write(more.type ?? '0', 156);
  bytes.write(more.link ?? '', 157);
  bytes.write(more.magic ?? 'ustar\x0000', 257, 'latin1');
  bytes.write(more.prefix ?? '', 345);
  bytes.write('        ', 148);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return bytes;
}
const file = (name: string, content: string, more = {}) => {
  const size = Buffer.byteLength(content);
  const padded = Buffer.alloc(Math.ceil(size / 512) * 512);
  padded.write(content);
  return Buffer.concat([header(name, size, more), padded]);
};
const end = Buffer.alloc(1024);
const record = (key: string, value: string) => {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest) + 1;
  while (String(length).length + Buffer.byteLength(rest) !== length) length++;
  return `${length}${rest}`;
};
const pax = (records: Record<string, string>, type = 'x') =>
  file(
    'PaxHeaders/x',
    Object.entries(records)
      .map(([key, value]) => record(key, value))
      .join(''),
    { type },
  );

/** `name content` of each entry, of a stream in chunks of so many bytes. */
async function list(parts: readonly Buffer[], chunk = 100_000): Promise<string[]> {
  const whole = Buffer.concat(parts);
  async function* chunks() {
    for (let at = 0; at < whole.length; at += chunk) yield whole.subarray(at, at + chunk);
  }
  const found: string[] = [];
  for await (const entry of tarEntries(chunks())) {
    const pieces: Buffer[] = [];
    for await (const piece of entry.content()) pieces.push(piece);
    found.push([entry.name, Buffer.concat(pieces).toString() || entry.kind, entry.link].filter((each) => each !== '').join(' '));
  }
  return found;
}

suite('tar archives are read as runtimes read them', () => {
  for (const chunk of [1, 7, 511, 512, 513, 5000])
    test(`whatever the stream is cut into (${chunk} bytes)`, async () => {
      const long = `${'d/'.repeat(120)}name`;
      const tar = await tarOf({ 'a/': '', 'a/b': 'content', [long]: 'x'.repeat(3000), l: ['', { type: 'symlink', linkname: 'a/b' }] });
      assert.deepEqual(await list([tar], chunk), ['a/ folder', 'a/b content', `${long} ${'x'.repeat(3000)}`, 'l symlink a/b']);
    });

  test('GNU long names and links, prefixes, numbers in binary, old headers', async () => {
    const number = Buffer.alloc(12);
    number[0] = 0x80;
    number[11] = 5;
    assert.deepEqual(
      await list([
        file('././@LongLink', `${'n'.repeat(150)}\0`, { type: 'L' }),
        file('././@LongLink', `${'l'.repeat(150)}\0`, { type: 'K' }),
        header('short', 0, { type: '1', link: 'short', magic: 'ustar  \0' }),
        file('name', 'in a folder', { prefix: 'folder' }),
        Buffer.concat([header('binary', 0, { number }), Buffer.from('12345'.padEnd(512, '\0'))]),
        file('old', 'v7', { magic: '', prefix: 'not a prefix' }),
        header('old folder/', 0, { type: '\0', magic: '' }),
        end,
      ]),
      [`${'n'.repeat(150)} hard link ${'l'.repeat(150)}`, 'folder/name in a folder', 'binary 12345', 'old v7', 'old folder/ folder'],
    );
  });

  test('extended headers count for the next entry, global ones for none', async () => {
    assert.deepEqual(
      await list([
        pax({ path: 'global' }, 'g'),
        pax({ path: 'ü/long', size: '3' }),
        Buffer.concat([header('x', 0), Buffer.from('abc'.padEnd(512, '\0'))]),
        file('y', 'z'),
        end,
      ]),
      ['ü/long abc', 'y z'],
    );
  });

  test('a link has no content, whatever size it claims, so that nothing hides behind it', async () => {
    assert.deepEqual(await list([header('link', 512, { type: '2', link: 'x' }), file('behind', 'seen'), end]), [
      'link symlink x',
      'behind seen',
    ]);
  });

  test('what stands behind the end is not there', async () => {
    assert.deepEqual(await list([file('a', 'b'), end, file('a', 'other')]), ['a b']);
    assert.deepEqual(await list([file('a', 'b')]), ['a b']);
  });

  for (const [why, parts] of [
    ['a wrong checksum', [file('a', 'b').fill(0x41, 0, 1)]],
    ['no tar at all', [Buffer.from('<html>'.repeat(200))]],
    ['an end in a header', [file('a', 'b').subarray(0, 300)]],
    ['an end in a content', [file('a', 'b').subarray(0, 513)]],
    ['zeroes in the middle', [Buffer.alloc(512), file('a', 'b')]],
    ['a sparse file', [header('a', 0, { type: 'S', magic: 'ustar  \0' }), end]],
    ['a sparse file of pax', [pax({ 'GNU.sparse.major': '1' }), file('a', 'b'), end]],
    ['an unknown type', [header('a', 0, { type: 'Z' }), end]],
    ['a negative size', [header('a', 0, { number: Buffer.alloc(12, 0xff) }), end]],
    ['a size beyond numbers', [header('a', 0, { number: Buffer.from('80ffffffffffffffffffffff', 'hex') }), end]],
    ['a size of letters', [header('a', 0, { number: Buffer.from('0000000009x\0') }), end]],
    ['a size of pax that is none', [pax({ size: '0x10' }), file('a', 'b'), end]],
    ['a header of a gigabyte', [header('x', 2 ** 30, { type: 'x' }), end]],
    ['records whose lengths lie', [file('p', '99 path=x\n', { type: 'x' }), file('a', 'b'), end]],
    ['a name with a zero in it', [pax({ path: 'a\0b' }), file('a', 'b'), end]],
    ['two formats in one', [header('a', 0, { magic: 'ustar  \0', prefix: 'folder' }), end]],
  ] as const)
    test(`refused: ${why}`, async () => {
      await assert.rejects(list(parts), { code: 'INVALID_INPUT' });
    });
});
