import { WaybillError } from '../../kernel/error.ts';

const posix: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: String.raw`\x00-\x7F`,
  blank: String.raw`\t `,
  cntrl: String.raw`\x00-\x1F\x7F`,
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: String.raw`!-\/:-@\[-\x60{-~`,
  space: String.raw`\t\n\v\f\r `,
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/** What begins most of gitleaks' expressions. It decides nothing about what is found, and is what makes them slow. */
const idle = /^((?:\(\?[ism]+\))?)(?:\[\\w\.-\]\{0,\d+\}\?)+(?:(\(\?i:)(?:\[\\w\.-\]\{0,\d+\}\?)+)?/;

/**
 * An expression of Go's `regexp` (RE2's syntax) as one of JavaScript's, over bytes as Latin-1. Flags inside of it become groups with modifiers.
 * @throws WaybillError UNSUPPORTED naming what has no counterpart
 */
export function goToJs(source: string): string {
  const text = Buffer.from(source, 'utf8').toString('latin1').replace(idle, '$1$2');
  let out = '';
  // For each open group: what was opened in it by flags, which ends with it and begins anew in each of its branches.
  const opened: string[][] = [[]];
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at);
    const letter = text.charAt(at);
    if (letter === '\\') {
      const [taken, made] = escape(rest);
      out += made;
      at += taken;
    } else if (letter === '[') {
      const [taken, made] = bracket(rest);
      out += made;
      at += taken;
    } else if (letter === '(') {
      const flags = /^\(\?([a-zA-Z]*(?:-[a-zA-Z]+)?)([:)])/.exec(rest);
      const named = /^\(\?P?<(\w+)>/.exec(rest);
      if (named) {
        out += `(?<${named[1]}>`;
        opened.push([]);
        at += named[0].length;
      } else if (flags) {
        const group = modifiers(flags[1] ?? '');
        at += flags[0].length;
        if (flags[2] === ':') {
          out += group;
          opened.push([]);
        } else if (group !== '(?:') {
          out += group;
          opened.at(-1)?.push(group);
        }
      } else {
        out += '(';
        opened.push([]);
        at++;
      }
    } else if (letter === ')') {
      out += ')'.repeat((opened.pop() ?? []).length + 1);
      at++;
    } else if (letter === '|') {
      const groups = opened.at(-1) ?? [];
      out += `${')'.repeat(groups.length)}|${groups.join('')}`;
      at++;
    } else {
      out += letter;
      at++;
    }
  }
  return out + ')'.repeat((opened.at(-1) ?? []).length);
}

function modifiers(flags: string): string {
  if (/U/.test(flags)) throw new WaybillError('UNSUPPORTED', 'the flag U, which turns greed around');
  return `(?${flags}:`;
}

function escape(rest: string): readonly [taken: number, made: string] {
  const quoted = /^\\Q([\s\S]*?)(?:\\E|$)/.exec(rest);
  if (quoted) return [quoted[0].length, (quoted[1] ?? '').replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)];
  const hex = /^\\x\{([0-9A-Fa-f]+)\}/.exec(rest);
  if (hex) return [hex[0].length, bytesOf(Number.parseInt(hex[1] ?? '0', 16))];
  switch (rest.charAt(1)) {
    case 'z':
      return [2, String.raw`(?![\s\S])`];
    case 'A':
      return [2, String.raw`(?<![\s\S])`];
    case 'a':
      return [2, String.raw`\x07`];
    case 'p':
    case 'P':
      throw new WaybillError('UNSUPPORTED', String.raw`a class of Unicode (\p)`);
    case 'C':
      throw new WaybillError('UNSUPPORTED', String.raw`\C`);
    default:
      return [2, rest.slice(0, 2)];
  }
}

function bytesOf(code: number): string {
  return [...Buffer.from(String.fromCodePoint(Math.min(code, 0x10ffff)), 'utf8')]
    .map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`)
    .join('');
}

/** A class of characters. `]` directly after its beginning is a letter in Go. */
function bracket(rest: string): readonly [taken: number, made: string] {
  let at = 1;
  let made = '[';
  if (rest.charAt(at) === '^') {
    made += '^';
    at++;
  }
  for (let first = true; at < rest.length; first = false) {
    const letter = rest.charAt(at);
    if (letter === ']' && !first) return [at + 1, `${made}]`];
    const named = /^\[:(\^?)(\w+):\]/.exec(rest.slice(at));
    if (named) {
      const set = posix[named[2] ?? ''];
      if (set === undefined || named[1] === '^') throw new WaybillError('UNSUPPORTED', `the class ${named[0]}`);
      made += set;
      at += named[0].length;
    } else if (letter === '\\') {
      const hex = /^\\x\{([0-9A-Fa-f]+)\}/.exec(rest.slice(at));
      if (hex) {
        const code = Number.parseInt(hex[1] ?? '0', 16);
        if (code > 0x7f) throw new WaybillError('UNSUPPORTED', 'a letter beyond ASCII in a class');
        made += bytesOf(code);
        at += hex[0].length;
        continue;
      }
      if (/[pP]/.test(rest.charAt(at + 1))) throw new WaybillError('UNSUPPORTED', String.raw`a class of Unicode (\p)`);
      made += rest.slice(at, at + 2);
      at += 2;
    } else {
      made += letter === '[' || letter === ']' ? `\\${letter}` : letter;
      at++;
    }
  }
  throw new WaybillError('UNSUPPORTED', 'a class that does not end');
}
