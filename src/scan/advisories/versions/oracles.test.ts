import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test } from 'node:test';
import { array, constant, constantFrom, nat, oneof, sample as sampleOf, tuple, type Arbitrary } from 'fast-check';
import { composerOrder } from './composer.ts';
import { dpkgOrder } from './dpkg.ts';
import { gemOrder } from './gem.ts';
import { mavenOrder } from './maven.ts';
import { compareVersions, type VersionOrder } from './order.ts';
import { pep440Order } from './pep440.ts';
import { rpmOrder } from './rpm.ts';

/** Versions that the ecosystems' own tools compare too: random ones, near each other, so that every part decides now and then. */
type Oracle = {
  readonly tool: string;
  readonly order: VersionOrder;
  readonly version: Arbitrary<string>;
  readonly pairs: number;
  /** A program that reads pairs, a tab between, and prints -1, 0 or 1 for each, or `bad` where the tool takes one of them for no version. */
  readonly command: (folder: string) => Promise<readonly [program: string, ...args: string[]]>;
  /** Given a pair that says that the program works at all. */
  readonly works: string;
};

const number = oneof(constantFrom('0', '1', '2', '10', '01', '00', '20240101', '99999999999999999999'), nat({ max: 12 }).map(String));
const numbers = (most: number) => array(number, { minLength: 1, maxLength: most }).map((parts) => parts.join('.'));
const one = (...texts: string[]) => constantFrom(...texts);
const maybe = (part: Arbitrary<string>) => oneof(constant(''), part);
const joined = (...parts: Arbitrary<string>[]) => tuple(...parts).map((texts) => texts.join(''));
const small = nat({ max: 2 }).map(String);

const java = `import org.apache.maven.artifact.versioning.ComparableVersion;
class Compare { public static void main(String[] a) throws Exception {
  var in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
  for (String line; (line = in.readLine()) != null;) { var p = line.split("\\t", -1);
    System.out.println(Integer.signum(new ComparableVersion(p[0]).compareTo(new ComparableVersion(p[1])))); } } }`;

const python = `import sys
from packaging.version import Version, InvalidVersion
for line in sys.stdin:
    try:
        a, b = [Version(x) for x in line.rstrip('\\n').split('\\t')]
        print((a > b) - (a < b))
    except InvalidVersion: print('bad')`;

const php = `require '/usr/share/php/Composer/Semver/autoload.php';
$p = new Composer\\Semver\\VersionParser();
while (($line = fgets(STDIN)) !== false) {
  [$a, $b] = explode("\\t", rtrim($line, "\\n"));
  try { $a = $p->normalize($a); $b = $p->normalize($b); } catch (Exception $e) { echo "bad\\n"; continue; }
  echo str_starts_with($a, 'dev-') || str_starts_with($b, 'dev-') ? 'bad' : version_compare($a, $b), "\\n";
}`;

/** Debian's libmaven3-core-java. */
const mavenJar = '/usr/share/java/maven-artifact-3.x.jar';

const oracles: readonly Oracle[] = [
  {
    tool: 'python3 with packaging',
    order: pep440Order,
    pairs: 4_000,
    works: '1\t2',
    version: joined(
      maybe(one('v', '1!', '0!')),
      numbers(4),
      maybe(
        joined(one('', '-', '_', '.'), one('a', 'b', 'c', 'rc', 'alpha', 'beta', 'pre', 'preview', 'RC'), one('', '-', '.'), maybe(small)),
      ),
      maybe(one('-1', '.post', '.post1', '-post2', 'rev3', '_r1')),
      maybe(one('.dev', '.dev1', '-dev2', 'dev')),
      maybe(one('+1', '+a', '+1e5', '+0x10', '+ubuntu.1', '+1.a', '+A-2')),
    ),
    command: async () => ['/usr/bin/python3', '-c', python],
  },
  {
    tool: 'dpkg --compare-versions',
    order: dpkgOrder,
    pairs: 250,
    works: '1\t2',
    version: joined(
      maybe(one('0:', '1:')),
      number,
      maybe(one('a', '~rc1', '+dfsg', '.2', '~', '+', '.', '~~', 'a1')),
      maybe(joined(one('-', '-0+'), numbers(2), maybe(one('~bpo', 'ubuntu1', '+b1', '~')))),
    ),
    command: async () => [
      'sh',
      '-c',
      `while IFS="$(printf '\\t')" read -r a b; do
         if dpkg --compare-versions "$a" lt "$b"; then echo -1; elif dpkg --compare-versions "$a" eq "$b"; then echo 0; else echo 1; fi 2>/dev/null; done`,
    ],
  },
  {
    tool: 'rpm.vercmp',
    order: rpmOrder,
    pairs: 4_000,
    works: '1-1\t2-1',
    version: joined(
      maybe(one('0:', '1:')),
      numbers(3),
      maybe(one('~rc1', '^git1', '~', '^', 'a', '_b', '.', '+', '^1~2', '~1^2', 'a1')),
      constant('-'),
      numbers(2),
      maybe(one('.el8', '.fc39', '~1', '^2', '.el8_10')),
    ),
    command: async (folder) => {
      const script = path.join(folder, 'compare.lua');
      await writeFile(
        script,
        `for line in io.lines() do local a, b = line:match('^([^\\t]*)\\t(.*)$'); io.stdout:write(rpm.vercmp(a, b), string.char(10)) end`,
      );
      return ['sh', '-c', `rpm --eval "%{lua:dofile('${script}')}"`];
    },
  },
  {
    tool: "ruby's Gem::Version",
    order: gemOrder,
    pairs: 4_000,
    works: '1\t2',
    version: joined(
      numbers(4),
      maybe(one('.a', '.b1', '.rc.1', '-rc1', '-1', '.pre', 'a', '.0.a.0', '-x86-linux')),
      maybe(joined(constant('.'), number)),
    ),
    command: async () => [
      'ruby',
      '-e',
      `STDIN.each_line { |l| a, b = l.chomp.split("\\t", -1); begin; puts Gem::Version.new(a) <=> Gem::Version.new(b); rescue ArgumentError; puts 'bad'; end }`,
    ],
  },
  {
    tool: 'Composer',
    order: composerOrder,
    pairs: 4_000,
    works: '1\t2',
    version: joined(
      maybe(one('v')),
      oneof(
        array(nat({ max: 12 }).map(String), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.')),
        one('2024-01-02', '20240102', '01.00', '1.x', '2.1.x', 'dev-main', '1.*'),
      ),
      maybe(
        joined(
          one('', '-', '.', '_'),
          one('alpha', 'a', 'beta', 'b', 'RC', 'rc', 'p', 'pl', 'patch', 'stable'),
          maybe(joined(one('', '.', '-'), small)),
        ),
      ),
      maybe(one('-dev', '.dev', 'dev', '+build', '@dev')),
    ),
    command: async () => ['php', '-r', php],
  },
  {
    tool: "Maven's ComparableVersion",
    order: mavenOrder,
    pairs: 6_000,
    works: '1\t2',
    version: array(
      oneof(
        number,
        one(
          '.',
          '-',
          '.',
          '-',
          'a',
          'b',
          'm',
          'alpha',
          'beta',
          'rc',
          'cr',
          'ga',
          'final',
          'release',
          'snapshot',
          'sp',
          'x',
          'jre',
          'RC',
          '0',
        ),
      ),
      { minLength: 1, maxLength: 8 },
    ).map((parts) => parts.join('')),
    command: async (folder) => {
      const source = path.join(folder, 'Compare.java');
      await writeFile(source, java);
      return ['java', '-cp', `${mavenJar}:/usr/share/java/commons-lang3.jar`, source];
    },
  },
];

/** Answers line by line; undefined when the tool is not here. */
async function ask(command: readonly [string, ...string[]], lines: readonly string[]): Promise<string[] | undefined> {
  const [program, ...args] = command;
  return await new Promise((resolve) => {
    const child = execFile(
      program,
      args,
      { timeout: 60_000, maxBuffer: 1 << 24, env: { ...process.env, LC_ALL: 'C.UTF-8' } },
      (error, stdout) => resolve(error ? undefined : stdout.trimEnd().split('\n')),
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${lines.join('\n')}\n`);
  });
}

suite('version orders are those of the real tools', () => {
  for (const { tool, order, version, pairs, command, works } of oracles)
    test(`${order.scheme}, ${pairs} random pairs against ${tool}`, async (t) => {
      const folder = await mkdtemp(path.join(tmpdir(), 'waybill-order-'));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const program = await command(folder);
      if ((await ask(program, [works]))?.[0] !== '-1') {
        t.skip(`SKIPPED: ${tool} is not on this machine`);
        return;
      }
      const sample = sampleOf(tuple(version, version), { numRuns: pairs, seed: 20_261_125 });
      const answers = await ask(
        program,
        sample.map(([a, b]) => `${a}\t${b}`),
      );
      assert.equal(answers?.length, pairs);
      const wrong: string[] = [];
      sample.forEach(([a, b], at) => {
        const ours = compareVersions(order, a, b);
        const mine = ours === undefined ? 'bad' : String(Math.sign(ours) + 0);
        if (mine !== answers?.[at]) wrong.push(`${a} ? ${b}: ${mine}, the tool says ${answers?.[at]}`);
      });
      assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} of ${pairs}`);
    });
});
