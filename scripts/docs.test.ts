import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import type { CliContext } from '../src/cli/context.ts';
import { commandLine } from '../src/cli/program.ts';
import { errorTable } from '../src/kernel/error-table.ts';
import { parsePipeline } from '../src/plan/parse.ts';
import { parseRules } from '../src/scan/secrets/rule-file.ts';
import { parseWaivers } from '../src/scan/parse-waivers.ts';

// Documents rot where nobody runs them: what they name must exist.
const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const below = (folder: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`);
const documents = [...readdirSync(root), ...below('docs')].filter((file) => file.endsWith('.md'));
const texts = new Map(documents.map((file) => [file, read(file)]));

/** Without fenced blocks, in which nothing is a link or a heading. */
const prose = (text: string): string => text.replace(/^```[^]*?^```/gm, '');
const codeOf = (text: string): string[] => [
  ...[...text.matchAll(/^```[^\n]*\n([^]*?)^```/gm)].flatMap(([, block = '']) => block.replaceAll('\\\n', ' ').split('\n')),
  ...[...prose(text).matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span),
];

/** As the forges make them from headings. */
function anchorsOf(text: string): Set<string> {
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
  return new Set([...prose(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => slug(heading)));
}

test('every link and picture leads somewhere', () => {
  const broken: string[] = [];
  for (const [file, text] of texts)
    for (const [, target = ''] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [name = '', anchor] = target.split('#');
      const linked = name === '' ? file : path.posix.join(path.posix.dirname(file), name);
      if (!existsSync(path.join(root, linked))) broken.push(`${file}: ${target} does not exist`);
      else if (anchor !== undefined && !anchorsOf(read(linked)).has(anchor)) broken.push(`${file}: ${target}: there is no such heading`);
    }
  assert.deepEqual(broken, []);
});

test('every file of this repository that a document names is there', () => {
  const missing: string[] = [];
  for (const [file, text] of texts)
    for (const code of codeOf(text)) {
      const whole = /^(?:src|scripts|bin|bench|test|docs|examples)\/[\w./-]+$/.test(code);
      // The map of the code names files below src/ in short.
      const short = file === 'docs/ARCHITECTURE.md' && /^[a-z]+\/[\w/-]+\.(?:ts|mjs)$/.test(code);
      const places = [...(whole || short ? [code] : []), ...(short ? [`src/${code}`] : [])];
      if (places.length > 0 && !places.some((place) => existsSync(path.join(root, place)))) missing.push(`${file}: ${code}`);
    }
  assert.deepEqual(missing, []);
});

test('every whole pipeline file, file of waivers and file of rules in a document is valid', () => {
  let seen = 0;
  for (const [file, text] of texts)
    for (const [, yaml = ''] of text.matchAll(/^```yaml\n(version: 1\n[^]*?)^```/gm)) {
      seen += 1;
      if (/^salt:/m.test(yaml)) {
        parseWaivers(yaml.replaceAll('…', '0'.repeat(32)), file);
        continue;
      }
      if (/^rules:/m.test(yaml)) {
        parseRules(yaml, file);
        continue;
      }
      const parsed = parsePipeline(yaml, file);
      assert.ok(parsed.ok, `${file}: ${JSON.stringify(parsed)}`);
    }
  assert.ok(seen >= 2);
});

const unused = (): never => {
  throw new Error('no command runs here');
};
const program = await commandLine({
  cwd: root,
  version: '0',
  colour: false,
  interactive: false,
  signal: new AbortController().signal,
  out: unused,
  note: unused,
  readStdin: unused,
  stdin: unused,
  exitWith: unused,
  client: unused,
  credentials: unused,
  login: { save: unused, forget: unused },
  registryLogins: [],
  data: '.',
  advisories: '.',
  processes: {
    init: unused,
    server: unused,
    signer: unused,
    admission: unused,
    backup: unused,
    restore: unused,
    runLocal: unused,
    buildImages: unused,
    registryServe: unused,
    applyPullSecret: unused,
    updateAdvisories: unused,
  },
} satisfies CliContext);

/** Named only to say that they are not there. */
const absent: readonly string[] = [];
const named = (command: Command, word: string) => command.commands.find((each) => each.name() === word || each.aliases().includes(word));

/** What is wrong with the words after `waybill`; undefined when there is such a command with such options. */
function problemOf(words: readonly string[]): string | undefined {
  let command = program;
  let leaf = false;
  for (const word of words) {
    if (word.startsWith('-') && word !== '-') {
      const flag = word.replace(/[=,.].*$/, '');
      const known = [...command.options, ...program.options].some((option) => option.long === flag || option.short === flag);
      if (!known && !['--help', '--version'].includes(flag)) return `${command.name()} has no option ${flag}`;
    } else if (!leaf) {
      const next = named(command, word);
      if (next) command = next;
      else if (command.commands.length > 0 && word !== 'help') return `there is no command ${word}`;
      leaf ||= command.commands.length === 0;
    }
  }
  return undefined;
}

/** The words after each `waybill` that begins a command, up to where the shell ends it. */
function commandsIn(code: string): string[][] {
  // What another program answers is one word.
  const flat = code.replace(/\$\((?! *waybill)[^()\n]*\)/g, 'X');
  return [...flat.matchAll(/(?:^|[\s;|&(])(?:bin\/)?waybill +((?:--?)?[a-z][^\n|;&>#)]*)/g)].map(([, rest = '']) =>
    rest
      .replace(/"[^"]*"|'[^']*'/g, 'X')
      .trim()
      .split(/\s+/),
  );
}

test('every command that a document or an error names can be given', () => {
  const fixes = Object.values(errorTable).map(({ fix }) => fix);
  const wrong: string[] = [];
  for (const [file, text] of [...texts, ['src/kernel/error-table.ts', fixes.join('\n')] as const])
    for (const code of codeOf(text))
      for (const words of commandsIn(code)) {
        const problem = absent.includes(words[0] ?? '') ? undefined : problemOf(words);
        if (problem !== undefined) wrong.push(`${file}: waybill ${words.join(' ')}: ${problem}`);
      }
  assert.deepEqual(wrong, []);
});

test('the guard refuses what is not there, and sees commands in every place', () => {
  assert.match(problemOf(['evidence', 'show']) ?? '', /no command evidence/);
  assert.match(problemOf(['change', 'merged', '1']) ?? '', /no command merged/);
  assert.match(problemOf(['change', 'merge', '1', '--force']) ?? '', /no option --force/);
  assert.equal(problemOf(['--json', 'env', 'add', 'x', '--local']), undefined);
  assert.deepEqual(codeOf('a `b c`\n```sh\nd \\\n e\n```\n'), ['d   e', '', 'b c']);
  assert.deepEqual(commandsIn('A=b waybill keys > f; bin/waybill runs show 3 | cat'), [['keys'], ['runs', 'show', '3']]);
  for (const word of absent) assert.equal(named(program, word), undefined, `waybill ${word} exists: say so`);
});

test('npm scripts that documents name exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const [file, text] of texts)
    // What a pipeline file runs is somebody else's script.
    for (const [, name = ''] of text.replace(/^```yaml[^]*?^```/gm, '').matchAll(/npm run ([a-z][a-z0-9:-]*)/g))
      assert.ok(name in scripts, `${file} names npm run ${name}`);
});

test('decisions have each number once and have one form', () => {
  const files = readdirSync(path.join(root, 'docs/decisions')).sort();
  assert.ok(files.length > 0);
  // Numbers are given out before they are written: a gap is a decision that is still to come.
  assert.equal(new Set(files.map((file) => file.slice(0, 4))).size, files.length);
  for (const file of files) {
    assert.match(file, /^\d{4}-[a-z0-9-]+\.md$/);
    const number = Number(file.slice(0, 4));
    const text = read(`docs/decisions/${file}`);
    assert.match(text, new RegExp(`^# ${number}\\. \\S`), `${file}: the title begins with its number`);
    for (const part of [/^## (?:Context|What was found)$/m, /^## Decision$/m, /^## Consequences$/m]) assert.match(text, part, file);
  }
});

test('an error code stands once in its table, and troubleshooting names no other', () => {
  const codes = [...read('src/kernel/error-table.ts').matchAll(/^ {2}([A-Z_]+): \{/gm)].map(([, code = '']) => code);
  assert.deepEqual(codes.toSorted(), Object.keys(errorTable).toSorted());
  const headings = [...read('docs/guides/troubleshooting.md').matchAll(/^### (.+)$/gm)].map(([, heading = '']) => heading);
  for (const code of headings.flatMap((heading) => heading.match(/\b[A-Z]+(?:_[A-Z]+)*\b/g) ?? []))
    if (code.length > 3) assert.ok(code in errorTable, `troubleshooting explains ${code}`);
});
