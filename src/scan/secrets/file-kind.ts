import { checks } from './checks.ts';
import { createHash } from 'node:crypto';
import type { Chunk, Hit, Progress } from './detect.ts';
import type { CompiledRule, RuleSet } from './rule-set.ts';

const sniffed = 8_000;

/** As Git sees it: a NUL among the first 8,000 bytes. UTF-16 must be told apart before (`toUtf8`). */
export function isBinary(bytes: Buffer): boolean {
  return bytes.subarray(0, sniffed).includes(0);
}

/** Text in UTF-16, which begins with a byte order mark, as UTF-8; undefined: it is not. */
export function toUtf8(bytes: Buffer): Buffer | undefined {
  const little = bytes[0] === 0xff && bytes[1] === 0xfe;
  const big = bytes[0] === 0xfe && bytes[1] === 0xff;
  if (!little && !big) return undefined;
  const even = Buffer.from(bytes.subarray(2, bytes.length - (bytes.length % 2)));
  return Buffer.from((big ? even.swap16() : even).toString('utf16le'));
}

/** Rules about whole files: by their first bytes, or, where a rule names none, by the path alone. */
export function judgeFile(
  set: RuleSet,
  { bytes, path, now }: Chunk,
  closed: ReadonlySet<CompiledRule>,
  progress: Progress,
): readonly Hit[] {
  if (set.files.length === 0 || bytes.length === 0) return [];
  let head: string | undefined;
  return set.files.flatMap((compiled): Hit[] => {
    const { rule } = compiled;
    if (closed.has(compiled)) return [];
    progress.rule = compiled;
    if (compiled.path && !compiled.path.test(path)) return [];
    if (rule.match.kind !== 'file' || (rule.match.magic === undefined && !compiled.path)) return [];
    if (rule.match.magic !== undefined && !compiled.expression.test((head ??= bytes.toString('hex', 0, 64)))) return [];
    const value = createHash('sha256').update(bytes).digest('hex');
    const judged =
      rule.check === undefined ? {} : checks[rule.check]({ text: '', path, start: 0, end: 0, valueStart: 0, value, nameEnd: 0, now });
    if (!judged) return [];
    return [
      {
        rule: compiled,
        start: 0,
        end: 0,
        valueStart: 0,
        value,
        severity: rule.severity,
        title: rule.title,
        validity: judged.validity ?? 'unknown',
      },
    ];
  });
}
