/** What people write where a credential would stand. */
const shapes: readonly RegExp[] = [
  // A variable or a template: $NAME, ${…}, $(…), {{…}}, <…>, %NAME%, @NAME@, #{…}, {0}, %s, [TOKEN]
  /^\$[({]?[\w.:-]+[)}]?$/,
  /^\$[{(]/,
  /\{\{|\}\}|<%|%>/,
  /^<[^>]*>?$/,
  /^\[[^\]]*\]?$/,
  /^%[\w.-]+%$|^@[\w.-]+@$|^#\{|^\{[\w.]*\}$|^%[sdvq]$/,
  /^(?:process|os|import\.meta|System|env|ENV|config|settings|secrets|vars|var|local|self|this|data|module|params|props|args|options|request|req)[.[]/,
  // One character, or a short pattern, again and again; an alphabet; a row of digits
  /^(.)\1*$/,
  /^(?:\w+[_-])?(.{1,4}?)\1{3,}.{0,3}$/,
  /(.)\1{7,}/,
  /(?:1234[-_ ]){2}/,
];

const words =
  /example|sample|placeholder|change[_-]?(?:me|this|it)|(?:^|[_\W])(?:your|my|the|some|any)(?:[_\W]|$)|your[_-]?\w|replace[_-]?(?:me|this|with)|redacted|insert[_-]?|dummy|fake|(?:^|[_\W])fixme|todo|xxxx|\*{3}|\.{3}|(?:^|[_\W])null(?:[_\W]|$)|undefined|none$|mock|lorem|ipsum|foobar|foo[_-]?bar|test[_-]?(?:key|token|secret|password)/i;

const rows = /0123456789|1234567890|abcdefghij|zyxwvutsrq|abcdef0123|0a1b2c3d|deadbeef/gi;
const longRows = /0123456789abc|123456789012345|abcdefghijklm/gi;

/** Whether rows of the alphabet or of digits are more than a third of it: one of ten digits is in many a long value that somebody made up, and in some that nobody did. */
function isRows(value: string, pattern: RegExp): boolean {
  let letters = 0;
  for (const [row] of value.matchAll(pattern)) letters += row.length;
  return 3 * letters > value.length;
}

/** Whether a value only stands where a credential would stand. Of values that a name was given; tokens with a form of their own are judged by `isMasked`. */
export function isPlaceholder(value: string): boolean {
  return words.test(value) || isRows(value, rows) || shapes.some((shape) => shape.test(value));
}

/** Whether a token of a known form is one for show: `AKIA…EXAMPLE`, `ghp_xxxxxxxx`, `xoxb-1234567890-…`. */
export function isMasked(token: string): boolean {
  return /EXAMPLE|example|REDACTED|redacted|placeholder|your[_-]|[xX*.]{6,}|(.)\1{7,}/.test(token) || isRows(token, longRows);
}
