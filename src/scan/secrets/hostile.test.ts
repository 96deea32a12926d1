import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { folderSource } from '../folder-source.ts';
import { gitWorkTreeSource } from '../git/sources.ts';
import type { ScanReport } from '../report.ts';
import { memorySource, streamSource, type TreeSource } from '../tree-source.ts';
import { fillExample } from './examples.ts';
import { derivedSalt } from './fingerprint.ts';
import { parseGitleaks } from './gitleaks.ts';
import { builtInRuleSet } from './repository-rules.ts';
import { parseRules } from './rule-file.ts';
import { scanSecrets, type SecretScan } from './scan-secrets.ts';

const secret = fillExample('ghp_<crc62>', 'hostile');

function scan(source: TreeSource, rest: Partial<SecretScan> = {}): Promise<ScanReport> {
  const clock = { now: () => new Date('2026-03-01T00:00:00Z') };
  const signal = AbortSignal.timeout(120_000);
  return scanSecrets({ source, rules: builtInRuleSet(), salt: derivedSalt(['a']), clock, scanner: 'waybill test', signal, ...rest });
}
const inMemory = (files: Readonly<Record<string, string | Buffer>>) =>
  memorySource(
    'a test',
    Object.entries(files).map(([name, content]) => ({ path: name, content })),
  );
const places = ({ findings }: ScanReport) => findings.flatMap((finding) => finding.places.map((place) => place.path)).toSorted();
const told = ({ coverage }: ScanReport) => coverage.skipped.map(({ path: at, reason }) => `${at} ${reason}`).toSorted();

function temporary(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'hostile-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

suite('a tree full of traps', { timeout: 120_000 }, () => {
  test('pipes, devices, links in a circle, names of all kinds: what is a file is read, what is not is told, nothing is waited for', async (t) => {
    const folder = temporary(t);
    const put = (name: string | Buffer, content: string | Buffer) =>
      writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]), content);
    execFileSync('mkfifo', [path.join(folder, 'pipe')]);
    symlinkSync('circle', path.join(folder, 'circle'));
    symlinkSync('.', path.join(folder, 'self'));
    symlinkSync('/dev/zero', path.join(folder, 'zero'));
    symlinkSync('nowhere', path.join(folder, 'dangling'));
    put('line\n✔ Nothing found.\n', secret);
    put('\u001b[2Jescape', secret);
    put(Buffer.from('not-\xff-utf8', 'latin1'), secret);
    put('nul', Buffer.concat([Buffer.alloc(10), Buffer.from(secret), Buffer.alloc(3)]));
    put('broken-utf8', Buffer.concat([Buffer.from('\xff\xfe\xc0 x '.slice(2), 'latin1'), Buffer.from(` ${secret} `), Buffer.from([0xc3])]));
    put('utf16', Buffer.from(`\uFEFFx = ${secret}`, 'utf16le'));
    mkdirSync(path.join(folder, 'deep/'.repeat(210)), { recursive: true });
    writeFileSync(path.join(folder, 'deep/'.repeat(210), 'x'), secret);
    const report = await scan(folderSource(folder));
    assert.deepEqual(places(report), ['\u001b[2Jescape', 'broken-utf8', 'line\n✔ Nothing found.\n', 'nul', 'utf16']);
    assert.deepEqual(
      told(report).filter((line) => !line.startsWith('deep/')),
      ['circle excluded', 'dangling excluded', 'not-\uFFFD-utf8 unreadable', 'pipe excluded', 'self excluded', 'zero excluded'],
    );
    assert.deepEqual(
      report.coverage.skipped.filter(({ path: at }) => at.startsWith('deep/')).map(({ reason }) => reason),
      ['limit'],
    );
  });

  test('a name that is not UTF-8 is told in a work tree of Git too', async (t) => {
    const folder = temporary(t);
    execFileSync('git', ['init', '--quiet'], { cwd: folder });
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from('n\xff', 'latin1')]), secret);
    writeFileSync(path.join(folder, 'fine'), secret);
    const report = await scan(gitWorkTreeSource({ folder }));
    assert.deepEqual([places(report), told(report)], [['fine'], ['n\uFFFD unreadable']]);
  });

  test('a file of gigabytes that holds nothing but a hole is read up to the limit, and told', async (t) => {
    const folder = temporary(t);
    writeFileSync(path.join(folder, 'hole'), `${secret}\n`);
    truncateSync(path.join(folder, 'hole'), 3 * 1024 ** 3);
    const report = await scan(folderSource(folder), { limits: { fileBytes: 4 * 1024 * 1024 } });
    assert.deepEqual([places(report), told(report)], [['hole'], ['hole limit']]);
  });

  test('a file that a link or a pipe replaces after it was listed is not followed', async (t) => {
    const folder = temporary(t);
    for (const name of ['a', 'b', 'c']) writeFileSync(path.join(folder, name), 'harmless');
    writeFileSync(path.join(folder, 'outside'), secret);
    const listed = folderSource(folder);
    const report = await scan({
      what: 'a race',
      async *files(options) {
        for await (const file of listed.files(options)) {
          if (file.path === 'outside') continue;
          renameSync(path.join(folder, file.path), path.join(folder, `old-${file.path}`));
          if (file.path === 'a') symlinkSync(path.join(folder, 'outside'), path.join(folder, 'a'));
          if (file.path === 'b') execFileSync('mkfifo', [path.join(folder, 'b')]);
          yield file;
        }
      },
    });
    assert.deepEqual([places(report), told(report)], [[], ['a unreadable', 'b unreadable', 'c unreadable']]);
  });
});

suite('archives that are bombs', { timeout: 120_000 }, () => {
  /** A zip archive whose directory names one content many times: all entries overlap. */
  function overlapping(count: number, content: Buffer): Buffer {
    const data = deflateRawSync(content);
    const local = Buffer.alloc(30 + 1);
    local.write('504b0304', 0, 'hex');
    local.writeUInt16LE(8, 8);
    local.writeUInt32LE(data.length, 18);
    local.writeUInt32LE(content.length, 22);
    local.writeUInt16LE(1, 26);
    local.write('x', 30);
    const central = Buffer.alloc(46 + 1);
    central.write('504b0102', 0, 'hex');
    local.copy(central, 6, 4, 30);
    central.write('x', 46);
    const end = Buffer.alloc(22);
    end.write('504b0506', 0, 'hex');
    end.writeUInt16LE(count, 8);
    end.writeUInt16LE(count, 10);
    end.writeUInt32LE(count * central.length, 12);
    end.writeUInt32LE(local.length + data.length, 16);
    return Buffer.concat([local, data, ...Array.from({ length: count }, () => central), end]);
  }

  test('entries that overlap count each time', async () => {
    const bomb = overlapping(5_000, Buffer.alloc(1024 * 1024, 'a\n'));
    assert.ok(bomb.length < 300_000);
    const report = await scan(inMemory({ bomb, 'fine.txt': secret }), { limits: { unpackedBytes: 16 * 1024 * 1024 } });
    assert.deepEqual([places(report), told(report)], [['fine.txt'], ['bomb limit']]);
  });

  test('a thousand of them share what a scan unpacks at most, and what follows is still read', async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
    const bombs = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`b${index}`, bomb]));
    const limits = { unpackedTotal: 64 * 1024 * 1024 };
    const report = await scan(inMemory({ ...bombs, 'fine.txt': secret }), { limits });
    assert.deepEqual(places(report), ['fine.txt']);
    assert.ok((report.coverage.gapCount ?? 0) > 900, String(report.coverage.gapCount));
    assert.match(report.coverage.skipped[0]?.detail ?? '', /archives unpack to more than 67108864 bytes/);
  });

  test('a tar archive whose header says that its name has gigabytes is not waited for', async () => {
    const header = Buffer.alloc(512);
    header.write('././@PaxHeader', 0);
    header.write('77777777777\0', 124);
    header.write('x', 156);
    header.write('ustar\x0000', 257);
    header.write('        ', 148);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    const report = await scan(inMemory({ 'a.tar.gz': gzipSync(Buffer.concat([header, Buffer.alloc(32 * 1024 * 1024, 'x')])) }));
    assert.deepEqual(told(report), ['a.tar.gz → a.tar unreadable']);
  });
});

suite('rules that do not end', { timeout: 120_000 }, () => {
  const slow = 'version: 1\nrules:\n  - { id: slow-rule, title: slow, keywords: [aaa], expression: "(a+)+$" }\n';
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, `${'a'.repeat(60)}!\n`]));

  test('one that is slow on every file is used no more after some, and no file after it counts as clean', async () => {
    const clean: string[] = [];
    const source: TreeSource = {
      what: 'a test',
      async *files() {
        for (const [name, text] of Object.entries({ ...many(40), 'fine.txt': secret, nothing: 'nothing' }))
          yield { path: name, size: text.length, blob: name, pieces: () => [Buffer.from(text)] };
      },
    };
    const report = await scan(source, {
      rules: parseRules(slow, 'rules.yaml').set,
      limits: { milliseconds: 100 },
      onClean: (blob) => clean.push(blob),
    });
    assert.deepEqual(told(report), ['f0 time', 'f1 time', 'f2 time']);
    assert.match(report.coverage.skipped.at(-1)?.detail ?? '', /used no more in this scan/);
    assert.deepEqual([places(report), clean], [['fine.txt'], []]);
  });

  test('many slow ones end the looking, and every file that follows is a gap', async () => {
    const rules = Array.from(
      { length: 10 },
      (_, index) => `[[rules]]\nid = "slow-${index}"\nregex = '''(a+)+$'''\nkeywords = ["aaa"]\n`,
    ).join('');
    const report = await scan(inMemory({ ...many(3), 'late.txt': secret }), {
      rules: parseGitleaks(rules, '.gitleaks.toml').set,
      limits: { milliseconds: 50, strikes: { rule: 3, all: 12 } },
    });
    assert.equal(told(report).includes('late.txt time'), true, told(report).join());
    assert.ok((report.coverage.gapCount ?? 0) <= 16, String(report.coverage.gapCount));
  });

  test('slow paths and slow allow lists are stopped like slow expressions', async () => {
    const text = [
      `[[rules]]\nid = "by-path"\npath = '''^(a+)+$'''\n`,
      `[[rules]]\nid = "allowed"\nregex = '''aaa\\S+'''\nkeywords = ["aaa"]\n[[rules.allowlists]]\nregexes = ['''^(\\w+\\w)+$''']\n`,
    ].join('');
    const report = await scan(inMemory({ [`${'a'.repeat(60)}!`]: 'x', f: `aaa${'bcd5'.repeat(20)}!` }), {
      rules: parseGitleaks(text, '.gitleaks.toml').set,
      limits: { milliseconds: 100 },
    });
    assert.match(report.coverage.skipped.map(({ detail }) => detail).join('\n'), /by-path took.*\n.*allowed took/s);
  });

  test('one that goes deeper than V8 can is told, and the others go on', async () => {
    const groups = Array.from({ length: 60 }, (_, index) => `(${String.fromCharCode(97 + (index % 26))}{0,3})`).join('|');
    const text = `[extend]\nuseDefault = true\n[[rules]]\nid = "deep"\nregex = '''^(?:${groups})*!'''\nkeywords = ["abcabc"]\n`;
    const report = await scan(inMemory({ f: `${'abc'.repeat(70_000)}\n${secret}` }), { rules: parseGitleaks(text, '.gitleaks.toml').set });
    assert.deepEqual([places(report), told(report)], [['f'], ['f time']]);
    assert.match(report.coverage.skipped[0]?.detail ?? '', /rule deep failed \(Maximum call stack/);
  });

  test('more keywords than can be searched for are refused at once', () => {
    const keywords = Array.from({ length: 2_000 }, (_, index) => `"${String(index).padStart(100, 'k')}"`).join();
    const text = `[[rules]]\nid = "x"\nregex = '''a'''\nkeywords = [${keywords}]\n`;
    assert.throws(() => parseGitleaks(text, '.gitleaks.toml'), { code: 'INVALID_INPUT', message: /keywords/ });
  });
});

test('small files share one shelf, and each is judged by its own bytes, with those that grow while they are read among them', async (t) => {
  const folder = temporary(t);
  const kinds = ['ghp_<crc62>', 'glpat-<word:20>', 'npm_<crc62>'] as const;
  for (let index = 0; index < 600; index++) {
    const value = index % 50 === 0 ? fillExample(kinds[(index / 50) % 3] ?? '', `shelf ${index}`) : 'nothing';
    writeFileSync(path.join(folder, `f${String(index).padStart(3, '0')}`), `${'x '.repeat((index * 37) % 9_000)}\n${value}\n`);
  }
  const listed = folderSource(folder);
  const report = await scan({
    what: 'a tree that is being written',
    async *files(options) {
      for await (const file of listed.files(options)) {
        if (file.path === 'f300')
          writeFileSync(path.join(folder, 'f300'), `${'y '.repeat(1_000_000)}\n${fillExample('ghp_<crc62>', 'grown')}`);
        yield file;
      }
    },
  });
  assert.deepEqual(
    places(report),
    Array.from({ length: 12 }, (_, index) => `f${String(index * 50).padStart(3, '0')}`),
  );
  assert.equal(report.findings.length, 12);
});

test('a stream is read up to its limit, whatever comes after it; an archive in it is opened', async () => {
  async function* endless(): AsyncGenerator<Buffer> {
    yield Buffer.from(`${secret}\n`);
    for (;;) yield Buffer.alloc(65_536, 'a ');
  }
  const report = await scan(streamSource('standard input', '-', endless()), { limits: { fileBytes: 3 * 1024 * 1024 } });
  assert.deepEqual([places(report), told(report)], [['-'], ['- limit']]);
  async function* packed(): AsyncGenerator<Buffer> {
    const bytes = gzipSync(secret);
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
  }
  assert.deepEqual(places(await scan(streamSource('standard input', '-', packed()))), ['- → -']);
});
