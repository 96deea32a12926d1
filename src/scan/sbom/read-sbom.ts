import { z } from 'zod';
import { WaybillError } from '../../kernel/error.ts';
import type { Component, Inventory } from '../component.ts';
import type { Place } from '../finding.ts';

const property = z.object({ name: z.string(), value: z.string().default('') });
const component = z.object({
  'bom-ref': z.string(),
  type: z.string(),
  name: z.string(),
  version: z.string().optional(),
  purl: z.string().optional(),
  scope: z.enum(['required', 'optional', 'excluded']).optional(),
  hashes: z.array(z.object({ alg: z.string(), content: z.string() })).default([]),
  properties: z.array(property).default([]),
});
const document = z.object({
  bomFormat: z.literal('CycloneDX'),
  components: z.array(component).max(1_000_000).default([]),
  dependencies: z
    .array(z.object({ ref: z.string(), dependsOn: z.array(z.string()).default([]) }))
    .max(1_000_000)
    .default([]),
});

const algorithms: Readonly<Record<string, Component['hashes'][number]['algorithm']>> = {
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};

/** What one of our own documents was made of; nothing that matching needs is lost on the way. @throws WaybillError INVALID_INPUT */
export function inventoryFromSbom(text: string): { readonly inventory: Inventory; readonly sourceOnly: ReadonlySet<string> } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', 'this is no JSON', { cause });
  }
  const parsed = document.safeParse(value);
  if (!parsed.success)
    throw new WaybillError('INVALID_INPUT', `this is no CycloneDX document: ${z.prettifyError(parsed.error).slice(0, 500)}`);
  const sourceOnly = new Set<string>();
  const components = parsed.data.components.flatMap((each): Component[] => {
    const { purl, version, properties } = each;
    const of = (name: string) => properties.find((one) => one.name === name)?.value;
    const ecosystem = of('waybill:ecosystem');
    if (purl === undefined || version === undefined || ecosystem === undefined) return [];
    if (of('waybill:found-in') === 'source') sourceOnly.add(purl);
    const source = of('waybill:source');
    const at = source?.lastIndexOf('@') ?? -1;
    return [
      {
        purl,
        ecosystem,
        name: of('waybill:name') ?? each.name,
        version,
        ...(source === undefined || at < 1 ? {} : { source: { name: source.slice(0, at), version: source.slice(at + 1) } }),
        scope: each.scope === 'excluded' ? 'development' : each.scope === 'optional' ? 'optional' : 'runtime',
        hashes: each.hashes.flatMap(({ alg, content }) => {
          const algorithm = algorithms[alg];
          return algorithm === undefined ? [] : [{ algorithm, hex: content }];
        }),
        places: properties.filter((one) => one.name === 'waybill:place').map((one) => placeOf(one.value)),
      },
    ];
  });
  const ours = new Set(['waybill:subject']);
  const needs = parsed.data.dependencies
    .filter(({ ref, dependsOn }) => !ours.has(ref) && (dependsOn.length > 0 || ref.startsWith('.')))
    .map(({ ref, dependsOn }) => [ref, dependsOn] as const);
  return { inventory: { components, needs: new Map(needs) }, sourceOnly };
}

function placeOf(text: string): Place {
  const [, path = text, line] = /^(.*):(\d+)$/.exec(text) ?? [];
  return { path, ...(line === undefined ? {} : { line: Number(line) }) };
}
