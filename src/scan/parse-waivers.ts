import { LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { WaybillError } from '../kernel/error.ts';
import { waiversPath, type Waivers } from './waivers.ts';

const largestFile = 1024 * 1024;

const claim = {
  reason: z.string().trim().min(3).max(1_000),
  /** A person or a team. */
  owner: z.string().trim().min(1).max(200),
  /** A day, UTC, at whose end it is over. */
  expires: z.iso.date(),
};

const waiversFile = z.strictObject({
  version: z.literal(1),
  /** Makes fingerprints of this repository unlike those of every other one. */
  salt: z
    .string()
    .regex(/^[0-9a-f]{32,128}$/, 'must be 32 or more hexadecimal digits')
    .optional(),
  secrets: z
    .array(z.strictObject({ rule: z.string().min(1).max(200), fingerprint: z.string().min(8).max(200), ...claim }))
    .max(10_000)
    .default([]),
  vulnerabilities: z
    .array(
      z.strictObject({
        /** Any name of the advisory. */
        id: z.string().min(3).max(200),
        /** Name of the package as the ecosystem spells it, or its purl with or without version. Default: wherever it is found. */
        package: z.string().min(1).max(500).optional(),
        ...claim,
      }),
    )
    .max(10_000)
    .default([]),
  image: z
    .array(z.strictObject({ rule: z.string().min(1).max(200), path: z.string().min(1).max(4_096).optional(), ...claim }))
    .max(10_000)
    .default([]),
  gaps: z
    .array(z.strictObject({ path: z.string().min(1).max(4_096), ...claim }))
    .max(10_000)
    .default([]),
}) satisfies z.ZodType<Waivers>;

/** @throws WaybillError INVALID_INPUT with file, line and column of the first thing that is wrong */
export function parseWaivers(text: string, file = waiversPath): Waivers {
  if (text.length > largestFile) throw new WaybillError('LIMIT_EXCEEDED', `${file} is larger than 1 MiB`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [broken] = document.errors;
  if (broken) {
    const at = lines.linePos(broken.pos[0]);
    throw new WaybillError('INVALID_INPUT', `${file}:${at.line}:${at.col}: ${broken.message.split('\n')[0]}`);
  }
  if (hasAlias(document)) throw new WaybillError('INVALID_INPUT', `${file}: anchors and aliases are not read`);
  const parsed = waiversFile.safeParse(document.toJS());
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const node = nearest(document, issue?.path ?? []);
  const at = lines.linePos(node ?? 0);
  throw new WaybillError(
    'INVALID_INPUT',
    `${file}:${at.line}:${at.col}: ${(issue?.path ?? []).join('.') || 'the file'}: ${issue?.message ?? 'is not a file of waivers'}`,
    { fix: 'Each waiver names what it accepts, and has a reason, an owner and `expires: YYYY-MM-DD`.' },
  );
}

/** Aliases can make a small file large. */
function hasAlias(document: ReturnType<typeof parseDocument>): boolean {
  let found = false;
  visit(document, {
    Alias: () => {
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

function nearest(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length >= 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)) return Number(node.range[0]);
  }
  return undefined;
}
