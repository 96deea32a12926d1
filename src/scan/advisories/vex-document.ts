import { z } from 'zod';
import { WaybillError, messageOf } from '../../kernel/error.ts';

const largestDocument = 16 * 1024 * 1024;
const text = z.string().max(20_000);
const time = z.iso.datetime({ offset: true });

export const vexStatuses = ['not_affected', 'affected', 'fixed', 'under_investigation'] as const;
export type VexStatus = (typeof vexStatuses)[number];

export const vexJustifications = [
  'component_not_present',
  'vulnerable_code_not_present',
  'vulnerable_code_not_in_execute_path',
  'vulnerable_code_cannot_be_controlled_by_adversary',
  'inline_mitigations_already_exist',
] as const;

const component = z.object({
  '@id': text.optional(),
  identifiers: z.object({ purl: text.optional(), cpe22: text.optional(), cpe23: text.optional() }).optional(),
  hashes: z.record(z.string(), text).optional(),
});

const product = component.extend({ subcomponents: z.array(component).max(100_000).optional() });

const statement = z
  .object({
    '@id': text.optional(),
    version: z.number().int().optional(),
    vulnerability: z.object({
      '@id': text.optional(),
      name: text.min(1),
      description: text.optional(),
      aliases: z.array(text).max(1_000).default([]),
    }),
    timestamp: time.optional(),
    last_updated: time.optional(),
    products: z.array(product).max(100_000).default([]),
    status: z.enum(vexStatuses),
    supplier: text.optional(),
    status_notes: text.optional(),
    justification: z.enum(vexJustifications).optional(),
    impact_statement: text.optional(),
    action_statement: text.optional(),
    action_statement_timestamp: time.optional(),
  })
  .refine(
    ({ status, justification, impact_statement: impact }) =>
      status !== 'not_affected' || justification !== undefined || (impact ?? '').trim() !== '',
    'not_affected needs a justification or an impact_statement',
  )
  .refine(
    ({ status, action_statement: action }) => status !== 'affected' || (action ?? '').trim() !== '',
    'affected needs an action_statement',
  );

/** OpenVEX 0.2.0 (github.com/openvex/spec, OPENVEX-SPEC.md). */
export const vexDocument = z.object({
  '@context': z.string().regex(/^https:\/\/openvex\.dev\/ns(?:\/v0\.2\.\d+)?$/, 'only OpenVEX 0.2 is read'),
  '@id': text.min(1),
  author: text.min(1),
  role: text.optional(),
  timestamp: time,
  last_updated: time.optional(),
  version: z.number().int().min(1),
  tooling: text.optional(),
  statements: z.array(statement).min(1).max(100_000),
});

export type VexDocument = z.output<typeof vexDocument>;
export type VexStatement = VexDocument['statements'][number];
export type VexProduct = VexStatement['products'][number];

/** Where a repository keeps what it says about vulnerabilities: reviewed like everything else in it. */
export const vexFolder = '.waybill/vex';

/** @throws WaybillError INVALID_INPUT with what is wrong where, LIMIT_EXCEEDED */
export function parseVex(content: string, file: string): VexDocument {
  if (content.length > largestDocument) throw new WaybillError('LIMIT_EXCEEDED', `${file} is larger than ${largestDocument} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', `${file} is not JSON: ${messageOf(cause)}`, { cause });
  }
  const parsed = vexDocument.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new WaybillError('INVALID_INPUT', `${file}: ${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'is no VEX'}`, {
    fix: 'OpenVEX 0.2 is read: see openvex.dev.',
  });
}
