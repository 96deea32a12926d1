import { advise } from './advice.ts';
import { type Finding, problemFrom } from './document.ts';
import { limits } from './limits.ts';
import { LineIndex } from './line-index.ts';
import { checkMeaning } from './meaning.ts';
import type { Problem } from './problem.ts';
import { readYaml } from './read-yaml.ts';
import type { Pipeline } from './schema.ts';
import { checkStructure } from './structure.ts';

export type ParsedPipeline =
  | { readonly ok: true; readonly pipeline: Pipeline; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] };

/**
 * Reads a pipeline file. All problems at once, in the order of the file, at most 100 of them; only when the text is no YAML
 * at all are those of the language told alone. Never throws for what the text holds. `file` is only printed.
 */
export function parsePipeline(text: string, file = 'waybill.yaml'): ParsedPipeline {
  const source = withoutMark(text);
  const lines = new LineIndex(source);
  const problemsOf = (findings: readonly Finding[]): Problem[] =>
    findings
      .slice(0, limits.problems)
      .map((finding) => problemFrom(finding, file, lines))
      .sort((a, b) => a.line - b.line || a.column - b.column);

  const { document, findings } = readYaml(source);
  if (document === undefined) return { ok: false, problems: problemsOf(findings), warnings: [] };
  if (document.value === null && findings.length === 0)
    return {
      ok: false,
      problems: problemsOf([{ message: 'the file is empty', expected: '"version: 1" and "stages"', path: [], span: [0, 0] }]),
      warnings: [],
    };
  const { pipeline, findings: structural } = checkStructure(document.value, document.place);
  const all = [...findings, ...structural, ...checkMeaning(document.value, document.place)];
  if (pipeline === undefined || all.length > 0) return { ok: false, problems: problemsOf(all), warnings: [] };
  return { ok: true, pipeline, warnings: problemsOf(advise(pipeline, document.place)) };
}

/** The text behind a byte order mark: what lines and columns of problems count in. */
export function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}
