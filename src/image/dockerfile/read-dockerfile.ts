import { DockerfileParser, type Dockerfile, type From, type Instruction } from 'dockerfile-ast';
import { WaybillError } from '../../kernel/error.ts';
import { expandWord } from './expand-word.ts';

/** An image that a Dockerfile names: in `FROM`, `COPY --from`, or `RUN --mount=…,from=`. */
export type NamedBase = {
  /** As it is after its variables were put in. */
  readonly reference: string;
  /** Where it stands in the text, in UTF-16 units: what a pinned name is put in place of. */
  readonly start: number;
  readonly end: number;
  readonly line: number;
};

export type ReadDockerfile = {
  readonly text: string;
  readonly bases: readonly NamedBase[];
  /** Spans that must not reach the engine: a `# syntax=` line, `--platform` flags that name the platform that is built anyway. */
  readonly blanks: readonly { readonly start: number; readonly end: number }[];
  /** Names of `ARG`s, wherever they stand. */
  readonly args: ReadonlySet<string>;
  /** Lines of an `ADD` that fetches from the network, or may: its source has a variable in it. */
  readonly fetches: readonly number[];
};

export type DockerfileInput = {
  readonly args: Readonly<Record<string, string>>;
  readonly platform: { readonly os: string; readonly architecture: string };
};

/** Longer ones are no Dockerfiles. */
export const largestDockerfile = 1024 * 1024;

/** These read what is in the engine already; another frontend is a program from the internet that would run with the build's rights. */
const builtInSyntax = /^(?:docker\.io\/)?docker\/dockerfile(?::1(?:\.\d+){0,2}(?:-labs)?)?(?:@sha256:[0-9a-f]{64})?$/;

/**
 * Finds every image that a Dockerfile names, so that each can be resolved to a digest before the build begins. What the engine's own parser
 * might see otherwise is no way around it: the engine gets these bases and no registry at all.
 * @throws WaybillError INVALID_INPUT with the line, UNSUPPORTED for a frontend of its own or for another platform
 */
export function readDockerfile(text: string, input: DockerfileInput): ReadDockerfile {
  if (text.length > largestDockerfile) throw new WaybillError('LIMIT_EXCEEDED', 'the Dockerfile is larger than 1 MiB');
  const file = DockerfileParser.parse(text);
  const offsetOf = offsets(text);
  const span = (range: { start: Position; end: Position }) => ({ start: offsetOf(range.start), end: offsetOf(range.end) });
  const froms = file.getFROMs();
  if (froms.length === 0) throw new WaybillError('INVALID_INPUT', 'the Dockerfile has no FROM');
  const globals = globalArgs(file, input);
  const blanks = syntaxLines(file, offsetOf);
  const bases: NamedBase[] = [];
  const stages: string[] = [];
  const add = (word: string, start: number, end: number, line: number, variables: ReadonlyMap<string, string>) => {
    const reference = expandWord(word, variables, line);
    const stage = reference.toLowerCase();
    if (reference === 'scratch' || stages.includes(stage)) return;
    bases.push({ reference, start, end, line });
  };
  for (const instruction of file.getInstructions()) {
    const line = instruction.getRange().start.line + 1;
    const keyword = instruction.getKeyword();
    if (keyword === 'FROM') {
      const from = instruction as From;
      const range = from.getImageRange();
      const word = from.getImage();
      if (!range || word === null) throw new WaybillError('INVALID_INPUT', `line ${line}: FROM names no image`);
      const { start, end } = span(range);
      add(text.slice(start, end), start, end, line, globals);
      const flag = from.getPlatformFlag();
      if (flag) {
        requirePlatform(expandWord(flag.getValue() ?? '', globals, line), input, line);
        blanks.push(span(flag.getRange()));
      }
      stages.push((from.getBuildStage() ?? `#${stages.length}`).toLowerCase());
      continue;
    }
    for (const { word, start, end } of fromOptions(instruction, text, span)) {
      if (word.includes('$')) throw new WaybillError('INVALID_INPUT', `line ${line}: the name in from= cannot hold a variable`);
      // A stage goes by its number too.
      if (/^\d+$/.test(word) && Number(word) < stages.length) continue;
      add(word, start, end, line, new Map());
    }
  }
  const instructions = file.getInstructions();
  return {
    text,
    bases,
    blanks,
    args: new Set(instructions.filter((each) => each.getKeyword() === 'ARG').flatMap(argNames)),
    fetches: instructions.filter(mayFetch).map((each) => each.getRange().start.line + 1),
  };
}

/** The text that the engine gets: each base under the name that stands for its digest, lines where they were. */
export function pinDockerfile(read: ReadDockerfile, nameOf: (reference: string) => string): string {
  const edits = [
    ...read.bases.map(({ start, end, reference }) => ({ start, end, by: nameOf(reference) })),
    ...read.blanks.map(({ start, end }) => ({ start, end, by: '' })),
  ].sort((a, b) => b.start - a.start);
  return edits.reduce((text, { start, end, by }) => text.slice(0, start) + by + text.slice(end), read.text);
}

type Position = { readonly line: number; readonly character: number };

function offsets(text: string): (position: Position) => number {
  const starts = [0];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\n') starts.push(at + 1);
    else if (text[at] === '\r' && text[at + 1] !== '\n') starts.push(at + 1);
  }
  return ({ line, character }) => (starts[line] ?? text.length) + character;
}

/** `ARG`s before the first `FROM`, and the ones that every builder sets. */
function globalArgs(file: Dockerfile, { args, platform }: DockerfileInput): Map<string, string> {
  const { os, architecture } = platform;
  const variables = new Map<string, string>();
  for (const which of ['TARGET', 'BUILD']) {
    variables
      .set(`${which}PLATFORM`, `${os}/${architecture}`)
      .set(`${which}OS`, os)
      .set(`${which}ARCH`, architecture)
      .set(`${which}VARIANT`, '');
  }
  for (const arg of file.getInitialARGs()) {
    const line = arg.getRange().start.line + 1;
    for (const argument of arg.getArguments()) {
      const [, name = '', value] = /^([^=]+)(?:=(.*))?$/s.exec(argument.getValue()) ?? [];
      const given = Object.hasOwn(args, name) ? args[name] : undefined;
      if (given !== undefined) variables.set(name, given);
      else if (value !== undefined) variables.set(name, expandWord(value, variables, line));
    }
  }
  return variables;
}

function syntaxLines(file: Dockerfile, offsetOf: (position: Position) => number) {
  const blanks: { start: number; end: number }[] = [];
  for (const directive of file.getDirectives()) {
    if (directive.getName().toLowerCase() !== 'syntax') continue;
    const value = directive.getValue();
    if (!builtInSyntax.test(value))
      throw new WaybillError('UNSUPPORTED', `line 1: the Dockerfile asks for the frontend ${JSON.stringify(value.slice(0, 200))}`, {
        fix: 'Remove the line `# syntax=…`: a frontend is a program from elsewhere that the build would run.',
      });
    const { start, end } = directive.getRange();
    blanks.push({ start: offsetOf(start), end: offsetOf(end) });
  }
  return blanks;
}

function requirePlatform(asked: string, { platform }: DockerfileInput, line: number): void {
  const [os, architecture] = asked.split('/');
  if (os !== platform.os || architecture !== platform.architecture)
    throw new WaybillError(
      'UNSUPPORTED',
      `line ${line}: the base is asked for ${asked || 'no platform'}, and this build is for ${platform.os}/${platform.architecture}`,
    );
}

/** Values of `--from=X` of COPY and ADD, and of `from=X` in `RUN --mount=…`. */
function fromOptions(
  instruction: Instruction,
  text: string,
  span: (range: { start: Position; end: Position }) => { start: number; end: number },
): { word: string; start: number; end: number }[] {
  const keyword = instruction.getKeyword();
  if (!['COPY', 'ADD', 'RUN'].includes(keyword) || !('getFlags' in instruction)) return [];
  const flags = (instruction as Instruction & { getFlags(): FlagLike[] }).getFlags();
  return flags.flatMap((flag) => {
    const range = flag.getValueRange();
    if (!range) return [];
    const { start, end } = span(range);
    const value = text.slice(start, end);
    if (keyword !== 'RUN') return flag.getName().toLowerCase() === 'from' ? [{ word: value, start, end }] : [];
    if (flag.getName().toLowerCase() !== 'mount') return [];
    const found = [];
    for (const match of value.matchAll(/(?:^|,)from=([^,]*)/gi)) {
      const word = match[1] ?? '';
      const at = start + match.index + match[0].length - word.length;
      found.push({ word, start: at, end: at + word.length });
    }
    return found;
  });
}

type FlagLike = { getName(): string; getValueRange(): { start: Position; end: Position } | null };

function argNames(instruction: Instruction): string[] {
  return instruction.getArguments().map((argument) => argument.getValue().split('=', 1)[0] ?? '');
}

function mayFetch(instruction: Instruction): boolean {
  if (instruction.getKeyword() !== 'ADD') return false;
  return instruction
    .getArguments()
    .slice(0, -1)
    .some((argument) => /:\/\/|^git@|\.git(?:#|$)|\$/.test(argument.getValue()));
}
