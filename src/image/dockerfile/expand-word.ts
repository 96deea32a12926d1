import { WaybillError } from '../../kernel/error.ts';

/**
 * Puts variables into a word of a Dockerfile: `$A`, `${A}`, `${A:-word}`, `${A-word}`, `${A:+word}`, `${A+word}` (Dockerfile reference,
 * "Environment replacement"); quotes around the whole word are taken off. Any other form is refused, and so is what stays empty.
 * @throws WaybillError INVALID_INPUT with the line
 */
export function expandWord(word: string, variables: ReadonlyMap<string, string>, line: number): string {
  const refuse = (why: string) => new WaybillError('INVALID_INPUT', `line ${line}: ${why}`);
  if (word.length > 4096) throw refuse('a word is longer than 4096 characters');
  const unquoted = /^(["'])(.*)\1$/s.exec(word)?.[2] ?? word;
  let out = '';
  let at = 0;
  while (at < unquoted.length) {
    const dollar = unquoted.indexOf('$', at);
    if (dollar < 0) break;
    out += unquoted.slice(at, dollar);
    const rest = unquoted.slice(dollar);
    const plain = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(rest) ?? /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}/.exec(rest);
    const choice = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(:?)([-+])([^{}$]*)\}/.exec(rest);
    const match = plain ?? choice;
    if (!match) throw refuse(`${JSON.stringify(rest.slice(0, 60))} is no variable that can be put in`);
    const value = variables.get(match[1] ?? '');
    if (plain) {
      if (value === undefined)
        throw refuse(`the variable ${match[1]} has no value; give it one with ARG before the first FROM, or in args`);
      out += value;
    } else {
      const present = value !== undefined && (choice?.[2] === '' || value !== '');
      out += choice?.[3] === '-' ? (present ? value : (choice[4] ?? '')) : present ? (choice?.[4] ?? '') : '';
    }
    at = dollar + match[0].length;
  }
  out += unquoted.slice(at);
  if (/[\s\\`"']/.test(out)) throw refuse(`${JSON.stringify(out.slice(0, 100))} holds a space, a quote or an escape`);
  return out;
}
