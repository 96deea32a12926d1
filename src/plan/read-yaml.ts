import { Composer, type Document, Lexer, Parser, type CST } from 'yaml';
import type { Finding, Place } from './document.ts';
import { limits } from './limits.ts';
import { readValue } from './read-value.ts';

/** `value` is plain data; it is absent when the text could not be read as YAML. */
export type YamlText = { readonly findings: readonly Finding[]; readonly document?: { readonly value: unknown; readonly place: Place } };

/** Control characters, and those that make a line read differently from what it is (Unicode's bidirectional controls). */
const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Reads one YAML 1.2 document (core schema), with limits on size, depth, tokens and aliases that hold before anything
 * is built, so that a hostile file costs no more than an honest one. `text` starts behind any byte order mark.
 */
export function readYaml(text: string): YamlText {
  if (text.length > limits.fileBytes || new TextEncoder().encode(text).length > limits.fileBytes)
    return fatal(`the file is larger than ${limits.fileBytes / 1024 / 1024} MiB`, 0);
  const findings: Finding[] = [];
  for (const match of text.matchAll(forbidden)) {
    if (findings.length === 10) break;
    findings.push({
      message: `the character U+${match[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')} is not allowed`,
      expected: 'visible characters, spaces, tabs and line breaks',
      path: [],
      span: [match.index, match.index + 1],
    });
  }
  if (findings.length > 0) return { findings };

  const tokens = tokensOf(text);
  if ('findings' in tokens) return tokens;
  const [document, second] = new Composer({ uniqueKeys: false, prettyErrors: false, version: '1.2' }).compose(
    tokens.tokens,
    true,
    text.length,
  );
  if (document === undefined) return fatal('the file is empty', 0);
  findings.push(...complaintsOf(document));
  if (second !== undefined)
    findings.push({
      message: 'a second document starts here',
      expected: 'one document in the file',
      path: [],
      span: [second.range[0], second.range[0] + 3],
    });
  if (findings.length > 0) return { findings };
  const read = readValue(document.contents, text);
  return read.complete ? { findings: read.findings, document: { value: read.value, place: read.place } } : { findings: read.findings };
}

/** The parser keeps its own stack, the composer recurses: depth is watched between the two. */
function tokensOf(text: string): { readonly tokens: readonly CST.Token[] } | { readonly findings: readonly Finding[] } {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    if (parser.stack.length > limits.depth) return fatal(`nested more than ${limits.depth} deep`, parser.offset - lexeme.length);
    if (++count > limits.tokens) return fatal('the file has too many parts', parser.offset - lexeme.length);
  }
  tokens.push(...parser.end());
  return { tokens };
}

function complaintsOf(document: Document.Parsed): Finding[] {
  const findings: Finding[] = [];
  const { version, explicit } = document.directives.yaml;
  if (explicit === true && version !== '1.2')
    findings.push({ message: `YAML ${version} is not read here`, expected: 'YAML 1.2, without a %YAML line', path: [], span: [0, 5] });
  for (const complaint of [...document.errors, ...document.warnings].slice(0, limits.problems))
    findings.push({ message: complaint.message.charAt(0).toLowerCase() + complaint.message.slice(1), path: [], span: complaint.pos });
  return findings;
}

function fatal(message: string, offset: number): { readonly findings: readonly Finding[] } {
  return { findings: [{ message, path: [], span: [Math.max(0, offset), Math.max(0, offset)] }] };
}
