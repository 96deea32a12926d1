import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { buffer } from 'node:stream/consumers';
import { WaybillError } from '../../kernel/error.ts';
import { memorySource, type TreeSource } from '../tree-source.ts';
import { fillExample } from './examples.ts';
import { derivedSalt } from './fingerprint.ts';
import { parseGitleaks } from './gitleaks.ts';
import { builtInRuleSet } from './repository-rules.ts';
import { parseRules } from './rule-file.ts';
import { scanSecrets, type SecretScan } from './scan-secrets.ts';

const clock = { now: () => new Date('2026-03-01T00:00:00Z') };
const secret = fillExample('ghp_<crc62>', 'scan');
const salt = derivedSalt(['a']);

type Files = Readonly<Record<string, string | Buffer>>;

function scan(files: Files | TreeSource, rest: Partial<SecretScan> = {}) {
  const source = typeof files.files === 'function' ? (files as TreeSource) : tree(files as Files);
  return scanSecrets({
    source,
    rules: builtInRuleSet(),
    salt,
    clock,
    scanner: 'waybill test',
    signal: AbortSignal.timeout(60_000),
    ...rest,
  });
}

const tree = (files: Files) =>
  memorySource(
    'a test',
    Object.entries(files).map(([path, content]) => ({ path, content })),
  );
const places = (report: Awaited<ReturnType<typeof scan>>) =>
  report.findings.flatMap((finding) => finding.places.map(({ path, line, column }) => `${path}:${line}:${column}`));
const gaps = (report: Awaited<ReturnType<typeof scan>>) => report.coverage.skipped.map(({ path, reason }) => `${path} ${reason}`);

async function tarOf(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content);
  tar.finalize();
  return buffer(tar);
}

/** A zip file (APPNOTE 4.3), with or without compression; `flags` 1 says that it is encrypted. */
function zipOf(files: Readonly<Record<string, string | Buffer>>, flags = 0): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const data = deflateRawSync(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(Buffer.byteLength(content), 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('504b0304', 'hex'), common, Buffer.from(name), data]);
    const central = Buffer.alloc(46);
    central.write('504b0102', 0, 'hex');
    central.writeUInt16LE(20, 4);
    common.copy(central, 6);
    central.writeUInt32LE(offset, 42);
    centrals.push(Buffer.concat([central, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.write('504b0506', 0, 'hex');
  end.writeUInt16LE(centrals.length, 8);
  end.writeUInt16LE(centrals.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

suite('where credentials are found', () => {
  test('with line and column in UTF-16 units, one finding for all its places', async () => {
    const report = await scan({ 'a.txt': `one\n"ä€😀" ${secret}\n`, 'b/c.txt': `\r\n\r\n${secret}` });
    assert.deepEqual(places(report), ['a.txt:2:8', 'b/c.txt:3:1']);
    assert.equal(report.findings.length, 1);
    assert.equal(report.findings[0]?.kind === 'secret' && report.findings[0].validity, 'well-formed');
    assert.equal(report.coverage.files, 2);
    assert.ok((report.coverage.rules?.count ?? 0) > 300);
  });

  test('in UTF-16, both ways', async () => {
    const little = Buffer.from(`\uFEFFkey = ${secret}\n`, 'utf16le');
    assert.deepEqual(places(await scan({ le: little, be: Buffer.from(little).swap16() })), ['le:1:7', 'be:1:7']);
  });

  test('in a large file, at every edge of its windows, once', async () => {
    const line = `${'lorem ipsum dolor sit amet '.repeat(3)}\n`;
    const edge = 4 * 1024 * 1024;
    for (const at of [0, edge - 64 * 1024 - 20, edge - 64 * 1024, edge - 20, edge, 2 * edge - 30, 9_500_000]) {
      const content = Buffer.from(line.repeat(Math.ceil(9_600_000 / line.length)));
      content.write(` ${secret} `, at);
      const report = await scan({ big: content });
      const before = content.subarray(0, at + 1).toString('latin1');
      const expected = `big:${before.split('\n').length}:${before.length - before.lastIndexOf('\n')}`;
      assert.deepEqual(places(report), [expected]);
    }
  });

  test('in archives and in what they hold, to a depth', async () => {
    const tar = await tarOf({ 'etc/app.conf': `token=${secret}`, 'x.zip': zipOf({ 'in.txt': secret }) });
    const report = await scan({
      'a.tar.gz': gzipSync(tar),
      'b.zip': zipOf({ 'deep/c.txt': secret }),
      'd.zst': zstdCompressSync(Buffer.from(secret)),
    });
    assert.deepEqual(places(report), [
      'a.tar.gz → a.tar → etc/app.conf:1:7',
      'a.tar.gz → a.tar → x.zip → in.txt:1:1',
      'b.zip → deep/c.txt:1:1',
      'd.zst → d:1:1',
    ]);
    const deeper = await scan({ 'a.gz': gzipSync(gzipSync(gzipSync(gzipSync(secret)))) });
    assert.deepEqual(gaps(deeper), ['a.gz → a → a → a limit']);
  });

  test('in base64, in base64 of base64, in hexadecimal, over several lines', async () => {
    const text = `{"registry": "x", "token": "${secret}", "more": "${'words '.repeat(20)}"}`;
    const once = Buffer.from(text).toString('base64');
    const lines = (once.match(/.{1,76}/g) ?? []).join('\n    ');
    const report = await scan({
      a: `data: ${once}`,
      b: Buffer.from(once).toString('base64'),
      c: Buffer.from(text).toString('hex'),
      d: `x: |\n    ${lines}\n`,
    });
    assert.deepEqual(places(report), ['a → base64:1:7', 'b → base64 → base64:1:1', 'c → hexadecimal:1:1', 'd → base64:2:5']);
  });

  test('in binary files, where they cannot be there by chance', async () => {
    const binary = Buffer.concat([
      Buffer.alloc(100),
      Buffer.from(`password = "${fillExample('<alnum:20>', 'binary')}"\0${secret}\0`),
      Buffer.alloc(50),
    ]);
    assert.equal((await scan({ binary })).findings.length, 1);
  });
});

suite('what is not told', () => {
  test('what was there before, even elsewhere', async () => {
    const other = fillExample('glpat-<word:20>', 'other');
    const report = await scan({ 'new.txt': `${secret} ${other}` }, { before: tree({ 'old/place.txt': `moved: ${secret}` }) });
    assert.deepEqual(
      report.findings.map(({ kind, key }) => `${kind} ${key.split(':')[1]}`),
      ['secret gitlab-pat'],
    );
  });

  test('the value, and every fast hash of it, in the whole report', async () => {
    const report = JSON.stringify(await scan({ a: `x ${secret}`, b: Buffer.from(secret.repeat(2)).toString('base64') }));
    const { createHash } = await import('node:crypto');
    assert.ok(report.includes('github-pat'));
    for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512'])
      for (const encoding of ['hex', 'base64'] as const)
        assert.equal(report.includes(createHash(algorithm).update(secret).digest(encoding).slice(0, 12)), false);
    for (let at = 0; at + 8 <= secret.length; at++) assert.equal(report.includes(secret.slice(at, at + 8)), false);
  });
});

suite('fingerprints', () => {
  test('are the same wherever the value stands, and others with another salt', async () => {
    const key = async (files: Files, with_ = salt) => (await scan(files, { salt: with_ })).findings[0]?.key;
    assert.equal(await key({ a: secret }), await key({ b: `\n\n  "${secret}"` }));
    assert.notEqual(await key({ a: secret }), await key({ a: secret }, derivedSalt(['b'])));
  });

  test('of a private key are the same in a file and in a string', async () => {
    const pem = fillExample('-----BEGIN PRIVATE KEY-----\n<pem:400>\n-----END PRIVATE KEY-----\n', 'pem');
    const report = await scan({ 'key.pem': pem, 'account.json': JSON.stringify({ private_key: pem }) });
    assert.equal(report.findings.length, 1);
    assert.equal(report.findings[0]?.places.length, 2);
  });
});

suite('a line that says why', () => {
  test('is told as allowed, with its reason; without one it allows nothing', async () => {
    const allowed = async (line: string) => {
      const [finding] = (await scan({ a: line })).findings;
      return finding?.kind === 'secret' ? (finding.allowed ?? 'no') : 'nothing';
    };
    assert.equal(await allowed(`x = "${secret}" # waybill:allow the sandbox of the tutorial`), 'the sandbox of the tutorial');
    assert.equal(await allowed(`x = "${secret}" # waybill:allow`), 'no');
    assert.equal(await allowed(`x = "${secret}" # waybill:allow -- `), 'no');
    assert.equal(await allowed(`# waybill:allow the line before\n${secret}`), 'no');
    assert.equal(await allowed(`x = "${secret}" # gitleaks:allow`), 'no');
  });

  test('does not allow the same value in another line', async () => {
    const [finding] = (await scan({ a: `${secret} waybill:allow for the test`, b: secret })).findings;
    assert.deepEqual(
      finding?.places.map(({ path }) => path),
      ['b'],
    );
    assert.equal(finding?.kind === 'secret' && finding.allowed, undefined);
  });
});

suite('hostile files', { timeout: 120_000 }, () => {
  test('zip bombs, endless archives and broken ones are told and end', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const report = await scan(
      {
        'bomb.gz': gzipSync(bomb),
        'many.tar': await tarOf(Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`f${index}`, 'x']))),
        'broken.gz': gzipSync(secret).subarray(0, 30),
        'broken.zip': zipOf({ a: secret }).subarray(10),
        'cut.zip': zipOf({ a: secret }).subarray(0, 60),
        'locked.zip': zipOf({ a: secret }, 1),
        'other.7z': Buffer.from('377abcaf271c0000', 'hex'),
        'fine.txt': secret,
      },
      { limits: { unpackedBytes: 16 * 1024 * 1024, archiveEntries: 20 } },
    );
    assert.deepEqual(gaps(report).toSorted(), [
      'bomb.gz → bomb limit',
      'broken.gz unreadable',
      'cut.zip unreadable',
      'locked.zip → a unknown-format',
      'many.tar limit',
      'other.7z unknown-format',
    ]);
    assert.deepEqual(places(report), ['fine.txt:1:1']);
  });

  test('a rule that is too slow is closed for that file alone, and told; the others still find', async () => {
    const { set } = parseRules(
      'version: 1\nrules:\n  - { id: slow-rule, title: slow, keywords: [aaa], expression: "(a+)+$" }\n',
      'rules.yaml',
    );
    const report = await scan(
      { 'slow.txt': `${'a'.repeat(60)}!\n${secret}`, 'quick.txt': secret },
      { rules: set, limits: { milliseconds: 300 } },
    );
    assert.deepEqual(gaps(report), ['slow.txt time']);
    assert.match(report.coverage.skipped[0]?.detail ?? '', /slow-rule/);
    assert.deepEqual(places(report).toSorted(), ['quick.txt:1:1', 'slow.txt:2:1']);
  });

  const long = 6_000_000;
  const hostile: readonly [what: string, content: string][] = [
    ['nested brackets', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['one line of letters', 'a'.repeat(long)],
    ['one line of keywords', 'password=key token:secret api_key '.repeat(long / 34)],
    ['backslashes', `secret ${'\\'.repeat(1_000_000)}`],
    ['quotes after a name', `password${'"'.repeat(1_000_000)}`],
    ['the beginnings of keys', '-----BEGIN PRIVATE KEY-----\n'.repeat(50_000)],
    ['addresses', 'https://a:b'.repeat(200_000)],
    ['addresses with signs', 'postgres://user:@@@@:'.repeat(100_000)],
    ['tokens of no length', 'ghp_xoxb-AKIAeyJ.eyJ.glpat-'.repeat(100_000)],
    ['curl calls', 'curl -H "Authorization: '.repeat(50_000)],
    ['Kubernetes documents', 'kind: Secret\ndata:\n'.repeat(50_000)],
    ['machines', 'machine a login b '.repeat(50_000)],
    ['base64 without an end', 'QUFB'.repeat(long / 4)],
    ['hexadecimal without an end', 'deadbeef'.repeat(long / 8)],
    ['nothing but line ends', '\n'.repeat(long)],
    ['nothing but blanks after a name', `token =${' '.repeat(long)}`],
  ];
  for (const [what, content] of hostile)
    test(`${what} come to an end`, async () => {
      const report = await scan({ hostile: content, 'fine.txt': secret }, { limits: { milliseconds: 30_000 } });
      assert.ok(places(report).includes('fine.txt:1:1'));
      assert.deepEqual(
        gaps(report).filter((gap) => gap.endsWith(' time')),
        [],
      );
    });

  test('a file beyond the limit is looked at as far as it goes, and the rest is told', async () => {
    const report = await scan({ big: `${secret}\n${'x '.repeat(100_000)}` }, { limits: { fileBytes: 100_000 } });
    assert.deepEqual(places(report), ['big:1:1']);
    assert.deepEqual(gaps(report), ['big limit']);
  });

  test('more findings than are kept are told', async () => {
    const many = Array.from({ length: 40 }, (_, index) => fillExample('ghp_<crc62>', `many/${index}`)).join('\n');
    assert.deepEqual(gaps(await scan({ many }, { limits: { findings: 10 } })), ['many limit']);
  });

  test('a file that goes away is told', async () => {
    const source: TreeSource = {
      what: 'a test',
      async *files() {
        yield {
          path: 'gone',
          size: 1,
          pieces: () => {
            throw new WaybillError('NOT_FOUND', 'it is not there any more');
          },
        };
      },
    };
    assert.deepEqual(gaps(await scan(source)), ['gone unreadable']);
  });
});

suite("gitleaks' configuration", () => {
  const toml = (text: string) => parseGitleaks(text, '.gitleaks.toml');
  const rule = `[[rules]]\nid = "shop"\nregex = '''(?i)shop_key\\s*=\\s*"(?P<v>[a-z0-9]{10})"'''\nkeywords = ["shop_key"]\n`;

  test('its rules find, its allow lists allow, its own are the only ones without useDefault', async () => {
    const { set, notes } = toml(`${rule}[[rules.allowlists]]\nregexes = ['''^aaaa''']\n[allowlist]\npaths = ['''^vendor/''']\n`);
    assert.deepEqual(notes, []);
    const files = { 'a.txt': `SHOP_KEY = "q1w2e3r4t5" ${secret}`, 'b.txt': 'shop_key="aaaa123456"', 'vendor/x': 'shop_key="q1w2e3r4t5"' };
    assert.deepEqual(places(await scan(files, { rules: set })), ['a.txt:1:13']);
  });

  test('useDefault takes the rules that are built in, but those that are disabled', async () => {
    const { set } = toml(`[extend]\nuseDefault = true\ndisabledRules = ["gitlab-pat"]\n${rule}`);
    const report = await scan({ a: `${secret} ${fillExample('glpat-<word:20>', 'x')} shop_key="q1w2e3r4t5"` }, { rules: set });
    assert.deepEqual(report.findings.map(({ key }) => key.split(':')[1]).toSorted(), ['github-pat', 'shop']);
  });

  test('what has no counterpart is named; what is no configuration is refused with its place', () => {
    assert.match(toml(`[[rules]]\nid = "x"\nregex = '''\\p{Greek}'''\n`).notes.join(), /the rule x is not used: .*Unicode/);
    assert.match(toml(`${rule}[allowlist]\ncommits = ["abc"]\n`).notes.join(), /by commits/);
    assert.throws(() => toml('[[rules]\n'), { code: 'INVALID_INPUT', message: /\.gitleaks\.toml:1:\d+/ });
    assert.throws(() => toml('rules = 5'), { code: 'INVALID_INPUT' });
  });
});

suite("a repository's own rules", () => {
  test('find besides the others, switch others off, allow for all', async () => {
    const { set } = parseRules(
      'version: 1\ndisable: [github-pat]\nallow: [{ paths: ["^fixtures/"] }]\nrules:\n  - id: shop-key\n    title: Key of the shop\n    keywords: [SHOPKEY-]\n    expression: "SHOPKEY-[0-9]{8}"\n',
      '.waybill/secret-rules.yaml',
    );
    const report = await scan({ a: `${secret} SHOPKEY-12345679`, 'fixtures/b': 'SHOPKEY-12345679' }, { rules: set });
    assert.deepEqual(places(report), ['a:1:42']);
  });

  for (const [text, message] of [
    ['version: 2', /rules\.yaml:1:10/],
    ['version: 1\nrules:\n  - { id: x-y-z, title: abc, keywords: [], expression: a }', /keyword/],
    ['version: 1\nrules:\n  - { id: x-y-z, title: abc, keywords: [abc], expression: "(" }', /x-y-z/],
    ['version: 1\nrules:\n  - { id: x-y-z, title: abc, keywords: [abc] }', /expression.*value/],
    ['version: 1\ndisable: [no-such-rule]', /no-such-rule/],
    [
      'version: 1\nrules:\n  - { id: x-y-z, title: abc, keywords: [abc], expression: abcd, examples: { found: [abc] } }',
      /does not find its example/,
    ],
    ['a: &a [1]\nb: *a', /rules\.yaml/],
  ] as const)
    test(`refuses ${JSON.stringify(text.slice(-60))}`, () =>
      assert.throws(() => parseRules(text, 'rules.yaml'), { code: 'INVALID_INPUT', message }));
});
