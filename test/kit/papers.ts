import { endpoints } from '../../src/api/endpoints.ts';
import type { Person } from '../../scripts/demo/person.ts';

export type PredicateOf = { readonly predicateType: string; readonly predicate: Readonly<Record<string, unknown>> };

/** What the papers of a digest say, read from their envelopes. */
export async function predicatesOf(person: Person, digest: string): Promise<PredicateOf[]> {
  const { papers } = await person.api.call(endpoints.showPapers, { params: { name: digest } });
  return papers.map(({ bundle }) => {
    const { dsseEnvelope } = bundle as { dsseEnvelope: { payload: string } };
    return JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString('utf8')) as PredicateOf;
  });
}
