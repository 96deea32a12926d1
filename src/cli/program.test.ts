import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'commander';
import { commandGroups } from './command-groups.ts';
import type { CliContext } from './context.ts';
import { commandLine, runCli } from './program.ts';

const unused = (): never => {
  throw new Error('no command runs here');
};
const said: string[] = [];
const context = {
  version: '1.2.3',
  colour: false,
  data: '/data',
  advisories: '/advisories',
  registryLogins: [],
  processes: {},
  signal: new AbortController().signal,
  out: (line: string) => void said.push(line),
  note: (line: string) => void said.push(line),
  exitWith() {},
  client: unused,
} as unknown as CliContext;

const helpOf = (command: Command): string[] => [command.helpInformation(), ...command.commands.flatMap(helpOf)];

test('a command is the same whether the others are loaded or not, and every command belongs to a group', async () => {
  const all = await commandLine(context);
  assert.ok(all.commands.length > 20);
  for (const command of all.commands) {
    const alone = await commandLine(context, command.name());
    assert.ok(alone.commands.length < all.commands.length, `${command.name()} loads everything`);
    const found = alone.commands.find((each) => each.name() === command.name());
    assert.deepEqual(found && helpOf(found), helpOf(command));
  }
  const words = new Set(commandGroups.flatMap((group) => group.words));
  assert.deepEqual([...words].toSorted(), all.commands.map((command) => command.name()).toSorted());
});

const rows: [string[], RegExp][] = [
  [['--version'], /^1\.2\.3$/],
  [['--json', 'scna'], /unknown command 'scna'\n\(Did you mean scan\?\)/],
  [['help', 'hook'], /Usage: waybill hook/],
  [['--help'], /where/],
];
for (const [args, pattern] of rows)
  test(`waybill ${args.join(' ')}`, async () => {
    said.length = 0;
    await runCli(args, context);
    assert.match(said.join('\n'), pattern);
  });
