import { createHash } from 'node:crypto';
import { base62Checksum } from './checksum.ts';

const digits = '0123456789';
const lower = 'abcdefghijklmnopqrstuvwxyz';
const upper = lower.toUpperCase();
const alphabets: Readonly<Record<string, string>> = {
  hex: '0123456789abcdef',
  HEX: '0123456789ABCDEF',
  digits,
  alnum: digits + lower + upper,
  lower: digits + lower,
  upper: digits + upper,
  Az: lower + upper,
  word: `${digits}${lower}${upper}_-`,
  b64: `${digits}${lower}${upper}+/`,
  b32: `${upper}234567`,
  b32l: `${lower}234567`,
  bech: 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L',
};

/**
 * Fills the templates of an example with made-up characters, the same for the same seed: `<hex:32>`, `<uuid>`, `<crc62>` (30 characters and their checksum), `<pem:N>`
 * (lines of base64), `<pemhead>` (base64 of a key's first line), `<basic>` (base64 of `user:password`), `<b64word:N>`, `<jwt>`. So nothing that looks like a credential stands in the source.
 */
export function fillExample(template: string, seed: string): string {
  let calls = 0;
  const draw = (alphabet: string, count: number): string => {
    let text = '';
    for (let block = 0; text.length < count; block++) {
      const bytes = createHash('sha512').update(`${seed}/${calls}/${block}`).digest();
      for (const byte of bytes) {
        const letter = alphabet.charAt(byte % alphabet.length);
        // No letter twice in a row: real ones seldom have that, and masks always do. It begins and ends with a letter or digit.
        if (
          text.length < count &&
          letter !== text.at(-1) &&
          !((text.length === 0 || text.length === count - 1) && /[^A-Za-z0-9]/.test(letter))
        )
          text += letter;
      }
    }
    calls++;
    return text;
  };
  const json = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return template.replaceAll(/<(\w+)(?::(\d+))?>/g, (whole, kind: string, length = '0') => {
    const count = Number(length);
    switch (kind) {
      case 'uuid':
        return [8, 4, 4, 4, 12].map((part) => draw(alphabets['hex'] ?? '', part)).join('-');
      case 'crc62': {
        const body = draw(alphabets['alnum'] ?? '', 30);
        return body + base62Checksum(body);
      }
      case 'pem':
        return (draw(alphabets['b64'] ?? '', count).match(/.{1,64}/g) ?? []).join('\n');
      case 'pemhead':
        return Buffer.from('-----BEGIN RSA PRIVATE KEY-----\n\n').toString('base64');
      case 'basic':
        return Buffer.from(`anna:${draw(alphabets['alnum'] ?? '', 20)}`).toString('base64');
      case 'b64word':
        return Buffer.from(draw(alphabets['alnum'] ?? '', count)).toString('base64');
      case 'jwt':
        return `${json({ alg: 'HS256', typ: 'JWT' })}.${json({ sub: draw(alphabets['alnum'] ?? '', 12), iss: 'shop' })}.${draw(alphabets['word'] ?? '', 43)}`;
      default: {
        const alphabet = alphabets[kind];
        return alphabet === undefined ? whole : draw(alphabet, count);
      }
    }
  });
}

/** The forms in which a name is given a value, in the languages and formats that people write: `{n}` and `{v}` stand for the two. */
export const assignments: readonly string[] = [
  '{n}Token="{v}"',
  '{n}Token = "{v}"',
  '{n}Token={v}',
  '{n}Token = {v}',
  '{\n    "{n}_token": "{v}"\n}',
  '\\{\n    \\"{n}_token\\": \\"{v}\\"\n\\}',
  '<{n}Token>{v}</{n}Token>',
  '<{n}Token>\n    {v}\n</{n}Token>',
  '{n}_token: {v}',
  "{n}_token: '{v}'",
  '{n}_token: "{v}"',
  '{n}_token: |\n  {v}',
  '{n}_token: >\n  {v}',
  'string {n}Token = "{v}";',
  'var {n}Token string = "{v}"',
  '{n}Token := "{v}"',
  '{n}Token := `{v}`',
  'String {n}Token = "{v}";',
  'const {n}Token: string = "{v}";',
  '${n}Token .= "{v}"',
  "{n}Token = '{v}'",
  '{n}Token,{v},',
  '  "{n}Token" => "{v}"',
  '{n}_TOKEN ?= "{v}"',
  '{n}_TOKEN ::= "{v}"',
  '{n}_TOKEN += "{v}"',
  '- name: {n}_TOKEN\n  value: {v}',
  '{ "name": "{n}_TOKEN", "value": "{v}" }',
  '<add key="{n}Token" value="{v}" />',
  'os.environ["{n}_TOKEN"] = "{v}"',
  'getOrElse("{n}_token", "{v}")',
  'ENV {n}_TOKEN={v}',
  "{n}_token = b'{v}'",
];
