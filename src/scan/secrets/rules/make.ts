import type { Rule } from '../rule.ts';

type Rest = Partial<Omit<Rule, 'id' | 'title' | 'fix' | 'match' | 'examples'>> & {
  readonly none?: readonly string[];
  readonly found?: readonly string[];
  readonly in?: string;
};

/** A credential that its first characters tell: its keyword is what the expression begins with, unless others are given. */
export function token(id: string, title: string, where: string, expression: string, sample: string, rest: Rest = {}): Rule {
  return rule(id, title, where, { kind: 'token', expression }, [literalPrefix(expression).toLowerCase()], sample, rest);
}

/** A credential that only the name tells which it is given to. */
export function assigned(
  id: string,
  title: string,
  where: string,
  names: readonly string[],
  value: string,
  sample: string,
  rest: Rest = {},
): Rule {
  return rule(id, title, where, { kind: 'assigned', value }, names, sample, { rank: 6, ...rest });
}

/** A credential with a keyword in its middle, or known by what stands around it. */
export function around(
  id: string,
  title: string,
  where: string,
  expression: string,
  reach: { readonly before: number; readonly after: number; readonly keywords: readonly string[]; readonly followedBy?: string },
  sample: string,
  rest: Rest = {},
): Rule {
  return rule(
    id,
    title,
    where,
    {
      kind: 'around',
      expression,
      before: reach.before,
      after: reach.after,
      ...(reach.followedBy === undefined ? {} : { followedBy: reach.followedBy }),
    },
    reach.keywords,
    sample,
    rest,
  );
}

function rule(
  id: string,
  title: string,
  where: string,
  match: Rule['match'],
  keywords: readonly string[],
  sample: string,
  rest: Rest,
): Rule {
  const { none, found, in: path, ...more } = rest;
  return {
    id,
    title,
    severity: 'high',
    fix: `Take it out of use first: ${where}. Then keep the new one out of the code: in a secret store, or in the environment.`,
    keywords,
    match,
    ...more,
    examples: { found: [sample, ...(found ?? [])], ...(none ? { none } : {}), ...(path === undefined ? {} : { path }) },
  };
}

/** What every match of an expression begins with, as far as it is plain text. */
export function literalPrefix(expression: string): string {
  let prefix = '';
  for (let at = 0; at < expression.length; at++) {
    let letter = expression.charAt(at);
    if (letter === '\\') {
      letter = expression.charAt(++at);
      if (/[A-Za-z0-9]/.test(letter)) break;
    } else if ('[](){}|.*+?^$'.includes(letter)) break;
    if ('?*{'.includes(expression.charAt(at + 1) || ' ')) break;
    prefix += letter;
  }
  return prefix;
}
