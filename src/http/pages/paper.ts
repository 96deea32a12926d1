import { z } from 'zod';
import { html, type Value } from './html.ts';
import { code, when } from './parts.ts';

/** Label and value, as `facts` takes them. */
export type Fact = readonly [label: string, value: Value];

const summaryType = 'https://slsa.dev/verification_summary/v1';

const review = z.object({
  change: z.number(),
  version: z.number(),
  reviewedTree: z.string(),
  method: z.string(),
  approvals: z.array(z.object({ reviewer: z.string(), at: z.string() })),
  authors: z.array(z.string()),
  mergedBy: z.string(),
  mergedAt: z.string(),
});
const tests = z.object({
  result: z.string(),
  passedTests: z.array(z.string()).default([]),
  failedTests: z.array(z.string()).default([]),
  waybill: z.object({ stage: z.string(), run: z.number(), executedIn: z.number(), finishedAt: z.string() }),
});
const digests = z.record(z.string(), z.string());
const build = z.object({
  buildDefinition: z.object({
    buildType: z.string(),
    externalParameters: z.object({ repository: z.string(), ref: z.string() }),
    internalParameters: z.object({ run: z.number() }).optional(),
    resolvedDependencies: z.array(z.object({ uri: z.string().optional(), name: z.string().optional(), digest: digests.optional() })),
  }),
  runDetails: z.object({
    builder: z.object({ id: z.string() }),
    metadata: z.object({ startedOn: z.string(), finishedOn: z.string() }),
    byproducts: z.array(z.object({ name: z.string().optional() })).default([]),
  }),
});
const summary = z.object({
  verifier: z.object({ id: z.string() }),
  timeVerified: z.string(),
  resourceUri: z.string(),
  verificationResult: z.string(),
  verifiedLevels: z.array(z.string()),
});

const vulnerabilities = z.object({
  scanner: z.object({ db: z.object({ lastUpdate: z.string().optional() }) }),
  metadata: z.object({ scanStartedOn: z.string(), scanFinishedOn: z.string() }),
  waybill: z.object({
    run: z.number(),
    scan: z.string(),
    worst: z.string().optional(),
    open: z.number(),
    waived: z.number(),
    again: z.unknown().optional(),
  }),
});

type Kind = { readonly title: string; read(predicate: unknown): readonly Fact[] | undefined };

/** Reads what a schema understands; a paper of another shape is shown by its plain values. */
function kind<S extends z.ZodType>(title: string, schema: S, read: (predicate: z.output<S>) => readonly Fact[]): Kind {
  return {
    title,
    read(predicate) {
      const parsed = schema.safeParse(predicate);
      return parsed.success ? read(parsed.data) : undefined;
    },
  };
}

const runLink = (run: number) => html`<a href="/runs/${run}">run ${run}</a>`;

const kinds: Readonly<Record<string, Kind>> = {
  'https://waybill.dev/review/v1': kind('Review', review, (p) => [
    ['Change', html`<a href="/changes/${p.change}">change ${p.change}</a>, version ${p.version}`],
    ['Approved by', p.approvals.map((approval) => html`<span>${approval.reviewer} on ${when(approval.at)} </span>`)],
    ['Written by', p.authors.join(', ')],
    ['Merged', html`by ${p.mergedBy} on ${when(p.mergedAt)}`],
    ['How', p.method === 'identical' ? 'the merged tree is exactly the reviewed one' : 'mechanical merge: the branch had moved'],
    ['Reviewed tree', code(p.reviewedTree)],
  ]),
  'https://in-toto.io/attestation/test-result/v0.1': kind('Tests', tests, (p) => [
    ['Result', p.result.toLowerCase()],
    ['Stage', p.waybill.stage],
    ['Jobs', [...p.passedTests, ...p.failedTests.map((name) => `${name} (failed)`)].join(', ')],
    ['Executed in', runLink(p.waybill.executedIn)],
    ['Finished', when(p.waybill.finishedAt)],
  ]),
  'https://slsa.dev/provenance/v1': kind('Build', build, ({ buildDefinition: definition, runDetails: details }) => [
    ['Source', html`<code>${definition.externalParameters.repository}</code>, <code>${definition.externalParameters.ref}</code>`],
    ['From', definition.resolvedDependencies.map((from) => html`<code>${from.uri ?? from.name}</code> `)],
    ['Layers', details.byproducts.flatMap((each) => each.name ?? []).join(', ')],
    ['Built', html`${when(details.metadata.startedOn)} to ${when(details.metadata.finishedOn)}`],
    ['In', definition.internalParameters && runLink(definition.internalParameters.run)],
    ['Builder', html`<code>${details.builder.id}</code>`],
  ]),
  [summaryType]: kind('Summary', summary, (p) => [
    ['Result', p.verificationResult.toLowerCase()],
    ['About', html`<code>${p.resourceUri}</code>`],
    ['Levels', p.verifiedLevels.join(', ')],
    ['Judged', when(p.timeVerified)],
    ['By', html`<code>${p.verifier.id}</code>`],
  ]),
  'https://cyclonedx.org/bom': kind(
    'List of components',
    z.object({ specVersion: z.string(), components: z.array(z.unknown()).default([]) }),
    (p) => [
      ['Components', p.components.length],
      ['CycloneDX', p.specVersion],
    ],
  ),
  'https://in-toto.io/attestation/vulns/v0.2': kind('Vulnerabilities', vulnerabilities, ({ scanner, metadata, waybill }) => [
    [
      'Looked at',
      waybill.again ? 'image and source, again, by their list of components' : waybill.scan === 'image' ? 'the image' : 'its source',
    ],
    ['When', when(waybill.again ? metadata.scanStartedOn : metadata.scanFinishedOn)],
    ['Advisories', scanner.db.lastUpdate === undefined ? 'none were needed' : html`of ${when(scanner.db.lastUpdate)}`],
    ['Open', `${waybill.open}${waybill.worst === undefined ? '' : `, the worst is ${waybill.worst}`}`],
    ['Accepted', waybill.waived],
    ['Run', runLink(waybill.run)],
  ]),
  'https://waybill.dev/secret-scan/v1': { title: 'Secret scan', read: () => undefined },
  'https://waybill.dev/import/v1': { title: 'Import', read: () => undefined },
};

/** What people call a paper of this type; a summary is of a source or of an image. */
export function paperTitle(predicateType: string, facts: readonly Fact[] = []): string {
  if (predicateType === summaryType && facts.some(([, value]) => typeof value === 'string' && value.startsWith('SLSA_SOURCE')))
    return 'Summary of the source';
  const known = Object.hasOwn(kinds, predicateType) ? kinds[predicateType] : undefined;
  return known?.title ?? predicateType.replace(/^https?:\/\//, '');
}

/** What a statement says, for a reader. Whether it is to be believed is not for a page to say. */
export function paperFacts(predicateType: string, statement: unknown): readonly Fact[] {
  const predicate = typeof statement === 'object' && statement !== null && 'predicate' in statement ? statement.predicate : undefined;
  const known = Object.hasOwn(kinds, predicateType) ? kinds[predicateType] : undefined;
  return known?.read(predicate) ?? plainValues(predicate);
}

function plainValues(predicate: unknown): readonly Fact[] {
  if (typeof predicate !== 'object' || predicate === null) return [];
  return Object.entries(predicate).flatMap(([name, value]): Fact[] => {
    if (Array.isArray(value)) return [[name, `${value.length}`]];
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? [[name, String(value).slice(0, 200)]]
      : [];
  });
}
