/**
 * From the end of a keyword in a name to the beginning of the value that the name is given, in whatever language: the rest of the name, closing quotes, an operator, opening
 * quotes. Every part is bounded and begins with what the part before cannot be, so that it costs the same wherever it is tried.
 */
const form = new RegExp(
  [
    String.raw`[\w .\t-]{0,30}`,
    '(?:\\\\{0,4}["\'`\\])]){0,3}[ \\t]{0,8}',
    '(?:',
    // { "name": "TOKEN", "value": "…" } and <add key="token" value="…"> and - name: TOKEN⏎ value: …
    String.raw`,?\s{0,20}\\{0,3}["']?[vV]alue\\{0,3}["']?\s{0,3}[:=]`,
    // token: string = "…"
    String.raw`|:\s{0,3}[A-Za-z_][\w.<>[\]?]{0,30}(?: \| \w{1,20})? ?=(?![=>])`,
    String.raw`|[<>?+.|~!:-]{0,3}[=:>,(|]{1,2}>?`,
    ')',
    '(?:\\\\{0,4}["\'`]|[\\s=|>@]|[brfuBRFUL](?=["\'])|(?:\\[\\]byte|[A-Za-z_][\\w.]{0,30})\\((?=["\'`])){0,20}',
  ].join(''),
  'y',
);

/** Where the value begins, or -1: what stands at `end` is not the end of a name that is given something. */
export function valueStart(text: string, end: number): number {
  form.lastIndex = end;
  return form.test(text) ? form.lastIndex : -1;
}

/** Whether a value may end before this character (or at the end of the text). */
export function endsValue(text: string, at: number): boolean {
  if (at >= text.length) return true;
  return '"\'`;\\<,)&}]#| \t\r\n\v\f'.includes(text.charAt(at));
}
