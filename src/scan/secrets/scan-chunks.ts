import { encodedTexts, isText } from './decode.ts';
import { detect, type Hit, type Progress } from './detect.ts';
import { judgeFile } from './file-kind.ts';
import { inlineReason } from './inline-allow.ts';
import { Positions } from './positions.ts';
import type { CompiledRule, RuleSet } from './rule-set.ts';

/** A part of a file, in memory. */
export type Part = {
  /** Names inside of archives after ` → `. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly binary: boolean;
  /** Number of its first line, and where in the bytes what is new begins and ends: before and behind is what the neighbours look at. */
  readonly firstLine: number;
  readonly from: number;
  readonly to: number;
  /** It is the beginning of the file: its first bytes say what the file is. */
  readonly first: boolean;
  readonly file: FileState;
  /** Nothing of the file follows. */
  readonly last: boolean;
};

/** What becomes of a file of the tree; parts of archives in it share it. */
export type FileState = {
  readonly blob?: string;
  /** Something was found in it, or not looked at. */
  dirty: boolean;
};

/** A credential with its place. `value` is it. */
export type Located = Omit<Hit, 'start' | 'end' | 'valueStart'> & {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly blob?: string;
  /** Why it may be there, as its line says. */
  readonly allowed?: string;
};

/** Looks at one part; what is in it goes into `results`. Synchronous, and stopped in its middle by who calls it. @returns whether there was more than is kept */
export function scanPart(
  set: RuleSet,
  part: Part,
  depth: number,
  now: Date,
  closed: ReadonlySet<CompiledRule>,
  progress: Progress,
  results: Located[],
): boolean {
  const { bytes, path, binary } = part;
  const { blob } = part.file;
  const chunk = { bytes, path, binary, now };
  const whole = part.first ? judgeFile(set, chunk, closed, progress) : [];
  const { hits, full } = detect(set, chunk, closed, progress);
  const place = (hit: Hit, position: { line: number; column: number }, line: string, suffix: string): Located => {
    const allowed = inlineReason(line, set.gitleaksComments);
    return {
      rule: hit.rule,
      value: hit.value,
      severity: hit.severity,
      title: hit.title,
      validity: hit.validity,
      path: path + suffix,
      ...position,
      ...(blob === undefined ? {} : { blob }),
      ...(allowed === undefined ? {} : { allowed }),
    };
  };
  for (const hit of whole) results.push(place(hit, { line: 1, column: 1 }, '', ''));
  const positions = new Positions(bytes, part.firstLine);
  for (const hit of hits.toSorted((a, b) => a.valueStart - b.valueStart)) {
    if (hit.start < part.from || hit.start >= part.to) continue;
    results.push(place(hit, positions.of(hit.valueStart), lineAt(bytes, hit.start, hit.end), ''));
  }
  if (binary || depth <= 0) return full;
  const encodedPositions = new Positions(bytes, part.firstLine);
  for (const encoded of encodedTexts(bytes, wanted)) {
    if (encoded.start < part.from || encoded.start >= part.to) continue;
    const position = encodedPositions.of(encoded.start);
    const inner: Located[] = [];
    const text = isText(encoded.bytes.subarray(0, 64));
    const name = `${path} → ${encoded.how}`;
    const inside: Part = {
      path: name,
      bytes: encoded.bytes,
      binary: !text,
      firstLine: 1,
      from: 0,
      to: encoded.bytes.length,
      first: !text,
      last: false,
      file: part.file,
    };
    scanPart(set, inside, depth - 1, now, closed, progress, inner);
    const allowed = inner.length > 0 ? inlineReason(lineAt(bytes, encoded.start, encoded.start), set.gitleaksComments) : undefined;
    // A value that stands there by itself was found already as what it is.
    for (const each of inner) results.push({ ...each, ...position, ...(allowed === undefined ? {} : { allowed }) });
  }
  return full;
}

/** Text, or what begins like a PKCS#12 file, a key in DER, a Java keystore. */
function wanted(first: Buffer): boolean {
  return (
    isText(first.subarray(0, 64)) ||
    (first[0] === 0x30 && first[1] === 0x82 && first[4] === 0x02) ||
    (first[0] === 0xfe && first[1] === 0xed)
  );
}

/** The line in which something begins; of what goes over several, the last one too: a block is allowed by either. */
function lineAt(bytes: Buffer, start: number, end: number): string {
  const around = (at: number): string => {
    const before = bytes.subarray(Math.max(0, at - 2_000), at);
    const behind = bytes.subarray(at, at + 4_000);
    const stop = behind.indexOf(0x0a);
    return before.toString('utf8', before.lastIndexOf(0x0a) + 1) + behind.toString('utf8', 0, stop < 0 ? behind.length : stop);
  };
  const several = bytes.subarray(start, Math.min(end, start + 40_000)).includes(0x0a);
  return several ? `${around(start)}\n${around(end)}` : around(start);
}
