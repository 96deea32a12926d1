import { z } from 'zod';
import { type Finding, type Place, placeOf, type Span } from './document.ts';
import { nearest } from './nearest.ts';
import { type Path, pathText, shown } from './problem.ts';
import { expectations, type Pipeline, pipelineSchema } from './schema.ts';

export type Structure = { readonly pipeline?: Pipeline; readonly findings: readonly Finding[] };

/** Holds a document against the schema: every unknown, missing, unsupported and wrong field at its place. */
export function checkStructure(value: unknown, root: Place): Structure {
  const result = pipelineSchema.safeParse(value, { reportInput: true });
  if (result.success) return { pipeline: result.data, findings: [] };
  const findings: Finding[] = [];
  const misspelt = new Set<string>();
  const told = new Set<string>();
  for (const issue of result.error.issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const fields = fieldsAt(issue.path);
    for (const key of issue.keys) {
      const suggestion = nearest(
        key,
        fields.filter((field) => placeOf(root, pathOf(issue)).children.get(field) === undefined),
      );
      if (suggestion !== undefined) misspelt.add(pathText([...pathOf(issue), suggestion]));
      findings.push(unknownField(key, pathOf(issue), root, fields, suggestion));
    }
  }
  for (const issue of result.error.issues) {
    if (issue.code === 'unrecognized_keys') continue;
    // A misspelt required field is one problem, not two.
    if (issue.input === undefined && misspelt.has(pathText(pathOf(issue)))) continue;
    // The rest of what zod says about one value follows from the first.
    const path = pathText(pathOf(issue));
    if (told.has(path)) continue;
    told.add(path);
    findings.push(fromIssue(issue, root));
  }
  return { findings };
}

function unknownField(key: string, parent: Path, root: Place, fields: readonly string[], suggestion: string | undefined): Finding {
  const path = [...parent, key];
  return {
    message: `unknown field ${shown(key)}`,
    ...(suggestion === undefined ? { expected: `one of ${supportedOf(parent, fields).join(', ')}` } : { suggestion }),
    path,
    span: keySpan(placeOf(root, path)),
  };
}

function fromIssue(issue: z.core.$ZodIssue, root: Place): Finding {
  const path = pathOf(issue);
  const place = placeOf(root, path);
  const schema = schemaAt(path);
  const field = String(path.at(-1) ?? '');
  if (issue.code === 'invalid_type' && issue.expected === 'never')
    return { message: `"${field}" is not supported yet by this version`, path, span: keySpan(place) };
  if (issue.code === 'invalid_key') {
    const expected = expectationOf(keyTypeOf(schemaAt(path.slice(0, -1))));
    return { message: `${shown(field)} is not valid as a name here`, ...expected, path, span: keySpan(place) };
  }
  const expected = expectationOf(schema);
  if (issue.input === undefined && issue.code !== 'custom')
    return { message: `missing field "${field}"`, ...expected, path, span: missingSpan(placeOf(root, path.slice(0, -1))) };
  if (issue.code === 'custom') return { message: issue.message, path, span: place.value };
  if (issue.code === 'too_big' && issue.origin !== 'number' && issue.origin !== 'int')
    return {
      message: `too long: at most ${issue.maximum} ${issue.origin === 'array' ? 'entries' : 'characters'}`,
      path,
      span: place.value,
    };
  const suggestion = suggestionFor(issue.input, schema, place);
  return {
    message: `expected ${expected.expected ?? 'something else'}, found ${shown(issue.input)}`,
    ...expected,
    ...(suggestion === undefined ? {} : { suggestion }),
    path,
    span: place.value,
  };
}

/** What the writer most probably meant, as text that can stand in its place. */
function suggestionFor(input: unknown, schema: z.core.$ZodType | undefined, place: Place): string | undefined {
  const written = place.written?.trim() ?? '';
  const scalar = typeof input === 'string' || typeof input === 'number' || typeof input === 'boolean';
  if (!scalar || written === '' || written.length > 100 || written.includes('\n')) return undefined;
  if (schema instanceof z.ZodArray) return accepts(schema, [input]) ? `[${written}]` : undefined;
  if (schema instanceof z.ZodEnum) return nearest(String(input), schema.options.map(String));
  if (typeof input === 'string') {
    if (accepts(schema, Number(input))) return String(Number(input));
    const slug = input
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '');
    return expectationOf(schema).expected?.startsWith('a name') === true && accepts(schema, slug) ? slug : undefined;
  }
  return accepts(schema, written) ? JSON.stringify(written) : undefined;
}

function accepts(schema: z.core.$ZodType | undefined, value: unknown): boolean {
  return schema !== undefined && z.safeParse(schema, value).success;
}

/** Keys of a document are text or indexes, never symbols. */
function pathOf(issue: z.core.$ZodIssue): Path {
  return issue.path as (string | number)[];
}

function keySpan(place: Place): Span {
  return place.key ?? place.value;
}

/** The name of the mapping that lacks a field: its key, or its first field when it stands in a list. */
function missingSpan(parent: Place): Span {
  if (parent.key !== undefined) return parent.key;
  const [first] = parent.children.values();
  return first?.key ?? [parent.value[0], parent.value[0]];
}

function expectationOf(schema: z.core.$ZodType | undefined): { expected?: string } {
  const expected = schema === undefined ? undefined : expectations.get(schema)?.expects;
  return expected === undefined ? {} : { expected };
}

/** The schema that governs `path`, out of its `optional`. */
function schemaAt(path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  let schema: z.core.$ZodType | undefined = pipelineSchema;
  for (const part of path) {
    if (schema instanceof z.ZodObject)
      schema = Object.hasOwn(schema.shape, part) ? (schema.shape[String(part)] as z.core.$ZodType) : undefined;
    else if (schema instanceof z.ZodArray) schema = schema.element;
    else if (schema instanceof z.ZodRecord) schema = schema.valueType;
    else return undefined;
    if (schema instanceof z.ZodOptional) schema = schema.unwrap();
  }
  return schema;
}

function keyTypeOf(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  return schema instanceof z.ZodRecord ? schema.keyType : undefined;
}

function fieldsAt(path: readonly PropertyKey[]): string[] {
  const schema = schemaAt(path);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function supportedOf(parent: Path, fields: readonly string[]): string[] {
  return fields.filter((field) => !(schemaAt([...parent, field]) instanceof z.ZodNever));
}
