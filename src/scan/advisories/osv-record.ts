import { z } from 'zod';

/** Missing, null and an empty list are the same in what databases export. */
const list = <Item extends z.ZodType>(item: Item, most: number) =>
  z
    .array(item)
    .max(most)
    .nullish()
    .transform((items) => items ?? []);

const name = z.string().min(1).max(500);
const version = z.string().min(1).max(1_000);

const severity = z.object({ type: z.string().max(100), score: z.string().max(1_000) });

const event = z
  .object({ introduced: version.optional(), fixed: version.optional(), last_affected: version.optional(), limit: version.optional() })
  .refine((one) => Object.values(one).filter((value) => value !== undefined).length === 1, 'an event says one thing');

const range = z
  .object({ type: z.string().max(50), events: z.array(event).min(1).max(20_000) })
  .refine(({ events }) => events.some((one) => one.introduced !== undefined), 'a range says where it begins');

const affected = z.object({
  package: z.object({ ecosystem: name, name }).nullish(),
  severity: list(severity, 100),
  ranges: list(range, 10_000),
  versions: list(version, 200_000),
  ecosystem_specific: z.looseObject({ severity: z.unknown().optional(), urgency: z.unknown().optional() }).nullish(),
  database_specific: z.looseObject({ severity: z.unknown().optional() }).nullish(),
});

/** What Waybill reads of one advisory; whatever else stands in it is left alone (ossf.github.io/osv-schema, 1.x). */
export const osvRecord = z.object({
  schema_version: z.string().regex(/^1\./, 'only version 1 of the schema is known').nullish(),
  id: z.string().regex(/^[\w.:+~-]{1,200}$/, 'is no identifier'),
  modified: z.string().max(100),
  withdrawn: z.string().max(100).nullish(),
  aliases: list(name, 5_000),
  upstream: list(name, 5_000),
  summary: z.string().nullish(),
  details: z.string().nullish(),
  severity: list(severity, 100),
  affected: list(affected, 100_000),
  references: list(z.object({ type: z.string().max(100), url: z.string() }), 20_000),
  database_specific: z.looseObject({ severity: z.unknown().optional() }).nullish(),
});

export type OsvRecord = z.output<typeof osvRecord>;
export type OsvAffected = OsvRecord['affected'][number];
export type OsvSeverity = OsvRecord['severity'][number];
