/** Text from outside for a message: one line, without control and direction characters, at most `length` characters. */
export function printable(text: string, length = 300): string {
  const clean = text.slice(0, length + 1).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
  return clean.length > length ? `${clean.slice(0, length)}…` : clean;
}

/** The same between double quotes. */
export function quoted(text: string, length = 300): string {
  return JSON.stringify(printable(text, length));
}
