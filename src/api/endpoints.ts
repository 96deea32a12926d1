import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import {
  advisoryStateView,
  collectedView,
  importView,
  registryCheckView,
  registryUsageView,
  changeView,
  environmentView,
  externalCheckView,
  externalRegistryView,
  mirrorContentsView,
  mirrorView,
  registryFindingView,
  personView,
  repositoryView,
  runRowView,
  scanView,
  runView,
  tokenView,
  traceNode,
  upstreamTrustView,
} from './views.ts';
import { sinceReleaseView } from './since-views.ts';
import { newlyVulnerableReply, whereView } from './where-views.ts';

const none = z.object({});
const id = z.object({ id: z.coerce.number().int().positive() });
const name = z.object({ name: z.string().max(100) });
const ok = z.object({ ok: z.literal(true) });
const comment = z.object({ comment: z.string().max(4096).default('') });

/** Fills in what an endpoint does not have. */
function endpoint<
  P extends z.ZodType = typeof none,
  Q extends z.ZodType = typeof none,
  B extends z.ZodType = typeof none,
  R extends z.ZodType = typeof ok,
>(
  method: Endpoint['method'],
  path: string,
  access: Endpoint['access'],
  summary: string,
  parts: { params?: P; query?: Q; body?: B; reply?: R } = {},
): Endpoint<P, Q, B, R> {
  return {
    method,
    path: `/api/v1${path}`,
    access,
    summary,
    params: parts.params ?? (none as unknown as P),
    query: parts.query ?? (none as unknown as Q),
    body: parts.body ?? (none as unknown as B),
    reply: parts.reply ?? (ok as unknown as R),
  };
}

/** The whole HTTP API of the server. Streams (logs, the ledger's export) are listed with their type of content in `streams`. */
export const endpoints = {
  whoAmI: endpoint('GET', '/me', 'person', 'Who the token belongs to', { reply: personView }),

  listPeople: endpoint('GET', '/people', 'person', 'People', { reply: z.array(personView) }),
  addPerson: endpoint('POST', '/people', 'admin', 'Adds a person', {
    body: z.object({
      id: z.string().max(63),
      name: z.string().max(200).optional(),
      emails: z.array(z.string().max(320)).max(20).default([]),
      role: z.enum(['developer', 'reviewer', 'admin']).default('developer'),
    }),
    reply: personView,
  }),
  changePerson: endpoint('POST', '/people/:name', 'admin', 'Gives a person another role, or one more address', {
    params: name,
    body: z.object({
      emails: z.array(z.string().max(320)).max(20).default([]),
      role: z.enum(['developer', 'reviewer', 'admin']).optional(),
    }),
    reply: personView,
  }),
  removePerson: endpoint('DELETE', '/people/:name', 'admin', 'Removes a person and revokes the tokens', { params: name }),

  listTokens: endpoint('GET', '/tokens', 'admin', 'Tokens, without their values', { reply: z.array(tokenView) }),
  createToken: endpoint('POST', '/tokens', 'admin', 'Makes a token; its value is in this answer and nowhere else', {
    body: z.object({
      person: z.string().max(63),
      label: z.string().max(200).default(''),
      expiresInDays: z.number().int().positive().max(3650).optional(),
    }),
    reply: z.object({ id: z.string(), token: z.string() }),
  }),
  revokeToken: endpoint('DELETE', '/tokens/:name', 'admin', 'Revokes a token', { params: name }),

  listRepositories: endpoint('GET', '/repositories', 'person', 'Repositories', { reply: z.array(repositoryView) }),
  addRepository: endpoint('POST', '/repositories', 'admin', 'Adds an empty repository', {
    body: z.object({ name: z.string().max(63), protectedBranch: z.string().max(100).default('main') }),
    reply: repositoryView,
  }),
  removeRepository: endpoint('DELETE', '/repositories/:name', 'admin', 'Removes a repository; its folder is moved aside', { params: name }),

  showHistoryScan: endpoint(
    'GET',
    '/repositories/:name/history',
    'person',
    'Credentials in the whole history of a repository, as last looked for',
    {
      params: name,
      reply: scanView,
    },
  ),
  scanHistory: endpoint('POST', '/repositories/:name/history', 'admin', 'Looks for credentials in the whole history of a repository', {
    params: name,
    reply: scanView,
  }),

  listEnvironments: endpoint('GET', '/environments', 'person', 'Environments', { reply: z.array(environmentView) }),
  addEnvironment: endpoint('POST', '/environments', 'admin', 'Adds an environment: a namespace of a cluster, or this host', {
    body: z.object({
      name: z.string().max(63),
      kind: z.enum(['cluster', 'local']),
      namespace: z.string().max(63).default('default'),
      kubeconfig: z
        .string()
        .max(256 * 1024)
        .optional(),
      pullSecretOn: z.enum(['pods', 'service-accounts']).exactOptional(),
      registry: z.string().max(63).exactOptional(),
    }),
    reply: environmentView,
  }),
  changeEnvironment: endpoint(
    'POST',
    '/environments/:name',
    'admin',
    'Changes from where and how its releases are pulled, from the next on',
    {
      params: name,
      body: z.object({
        pullSecretOn: z.enum(['pods', 'service-accounts']).exactOptional(),
        /** `null`: Waybill's own. */
        registry: z.string().max(63).nullable().exactOptional(),
      }),
      reply: environmentView,
    },
  ),
  mintPullSecret: endpoint(
    'POST',
    '/environments/:name/pull-secret',
    'admin',
    'Makes a key that pulls what an environment pulls; its value is in this answer and nowhere else',
    {
      params: name,
      body: z.object({
        repositories: z.array(z.string().max(255)).max(100).default([]),
        days: z.number().int().positive().max(400).exactOptional(),
      }),
      reply: z.object({
        server: z.string(),
        username: z.string(),
        password: z.string(),
        expiresAt: z.string(),
        repositories: z.array(z.string()),
      }),
    },
  ),
  renewPullSecret: endpoint('POST', '/environments/:name/pull-secret/renew', 'admin', 'Gives an environment a new pull secret now', {
    params: name,
    reply: z.object({ expiresAt: z.string().exactOptional() }),
  }),
  removeEnvironment: endpoint(
    'DELETE',
    '/environments/:name',
    'admin',
    'Removes an environment; what runs there stays, its pull secret is revoked',
    { params: name },
  ),

  listChanges: endpoint('GET', '/changes', 'person', 'Changes, newest first', {
    query: z.object({ repository: z.string().optional(), state: z.enum(['open', 'merged', 'abandoned']).optional() }),
    reply: z.array(changeView),
  }),
  showChange: endpoint('GET', '/changes/:id', 'person', 'One change', { params: id, reply: changeView }),
  approveChange: endpoint('POST', '/changes/:id/approve', 'reviewer', 'Approves the newest version, or the one named by `head`', {
    params: id,
    body: comment.extend({ head: z.string().optional() }),
    reply: changeView,
  }),
  rejectChange: endpoint('POST', '/changes/:id/reject', 'reviewer', 'Rejects the newest version', {
    params: id,
    body: comment,
    reply: changeView,
  }),
  abandonChange: endpoint('POST', '/changes/:id/abandon', 'person', 'Gives a change up', { params: id, reply: changeView }),
  mergeChange: endpoint('POST', '/changes/:id/merge', 'reviewer', 'Merges an approved change; the run of the merged commit starts', {
    params: id,
    reply: z.object({ change: changeView, run: z.number() }),
  }),

  listRuns: endpoint('GET', '/runs', 'person', 'Runs, newest first', {
    query: z.object({
      repository: z.string().optional(),
      change: z.coerce.number().int().optional(),
      limit: z.coerce.number().int().positive().max(1000).default(50),
    }),
    reply: z.array(runRowView),
  }),
  showRun: endpoint('GET', '/runs/:id', 'person', 'One run, with its stages, images, deploys and papers', { params: id, reply: runView }),
  cancelRun: endpoint('POST', '/runs/:id/cancel', 'reviewer', 'Cancels a run', {
    params: id,
    body: z.object({ reason: z.string().max(1000).default('asked for') }),
    reply: runView,
  }),
  showScans: endpoint('GET', '/runs/:id/scans', 'person', 'What the scans of a run looked at and found', {
    params: id,
    reply: z.array(scanView),
  }),
  showSince: endpoint('GET', '/runs/:id/since', 'person', 'What a run brings to each environment that the release there has not', {
    params: id,
    reply: z.array(sinceReleaseView),
  }),
  listAdvisories: endpoint('GET', '/advisories', 'person', 'The advisories that libraries and packages are looked up in', {
    reply: z.array(advisoryStateView),
  }),
  updateAdvisories: endpoint('POST', '/advisories/update', 'admin', 'Brings the advisories up to date from where the configuration says', {
    reply: z.array(advisoryStateView),
  }),
  where: endpoint('GET', '/where', 'person', 'Which images, releases, environments and pods have a package, or what an advisory is about', {
    query: z.object({
      what: z.string().min(1).max(500),
      pods: z.enum(['yes', 'no']).default('yes'),
      limit: z.coerce.number().int().min(0).max(1000).default(50),
    }),
    reply: whereView,
  }),
  newlyVulnerable: endpoint('GET', '/where/new', 'person', 'What became vulnerable in the last thirty days because of new advisories', {
    query: z.object({ pods: z.enum(['yes', 'no']).default('yes') }),
    reply: newlyVulnerableReply,
  }),
  listLogs: endpoint('GET', '/runs/:id/logs', 'person', 'The names of the logs of a run', {
    params: id,
    reply: z.array(z.array(z.string())),
  }),

  listImages: endpoint('GET', '/images', 'person', 'Published images that have papers', {
    reply: z.array(
      z.object({
        digest: z.string(),
        repository: z.string(),
        /** Of what was built here. */
        commit: z.string().exactOptional(),
        run: z.number().exactOptional(),
        /** Of what was imported: where it comes from. */
        imported: z.object({ number: z.number(), reference: z.string() }).exactOptional(),
        /** The newest look at its vulnerabilities, and the worst that was open; missing: there was none, or nothing is open. */
        lookedAt: z.string().optional(),
        worst: z.string().optional(),
        validUntil: z.string(),
      }),
    ),
  }),
  showPapers: endpoint(
    'GET',
    '/images/:name/papers',
    'person',
    'The papers of a digest, as Sigstore bundles, with their place in the ledger',
    {
      params: z.object({ name: z.string().max(100) }),
      reply: z.object({
        /** The newest signed checkpoint; every proof is for its size. Empty when there is none yet. */
        checkpoint: z.string(),
        papers: z.array(
          z.object({
            predicateType: z.string(),
            bundle: z.unknown(),
            /** The ledger's entry as it is hashed, and the way from it to the checkpoint's root. */
            ledger: z.object({ index: z.number(), leaf: z.string(), proof: z.array(z.string()) }),
          }),
        ),
      }),
    },
  ),
  trace: endpoint('GET', '/trace', 'person', 'Walks from a commit, change, image or workload the whole way, both ways', {
    query: z.object({ subject: z.string().max(500), environment: z.string().optional() }),
    reply: traceNode,
  }),
  refuse: endpoint('GET', '/refusals', 'person', 'The newest refusals: pushes, approvals, verdicts', {
    reply: z.array(z.object({ at: z.string(), what: z.string(), detail: z.string() })),
  }),

  listImports: endpoint('GET', '/imports', 'person', 'Third-party images that were asked for, newest first', {
    reply: z.array(importView),
  }),
  listImportUpdates: endpoint('GET', '/imports/updates', 'person', 'Imported images whose tag names another digest upstream now', {
    reply: z.object({
      updates: z.array(
        z.object({ import: z.number(), reference: z.string(), from: z.string(), to: z.string(), requested: z.number().exactOptional() }),
      ),
      unknown: z.array(z.string()),
    }),
  }),
  requestImport: endpoint('POST', '/imports', 'person', 'Asks for a third-party image: the digest that the reference names now', {
    body: z.object({ reference: z.string().max(900), reason: z.string().max(2_000), as: z.string().max(200).optional() }),
    reply: importView,
  }),
  showImportScan: endpoint(
    'GET',
    '/imports/:id/scan',
    'person',
    'What scanners found in a third-party image, before it is copied and when it was',
    {
      params: id,
      reply: scanView,
    },
  ),
  lookIntoImport: endpoint('POST', '/imports/:id/look', 'person', 'Asks for another look into an import that waits for approvals', {
    params: id,
    reply: importView,
  }),
  approveImport: endpoint('POST', '/imports/:id/approve', 'reviewer', 'Vouches for an import; with enough approvals it is copied', {
    params: id,
    reply: importView,
  }),
  rejectImport: endpoint('POST', '/imports/:id/reject', 'reviewer', 'Rejects an import', {
    params: id,
    body: z.object({ why: z.string().max(2_000).default('') }),
    reply: importView,
  }),
  collectRegistry: endpoint('POST', '/registry/collect', 'admin', 'Removes from the registry what nothing needs, or says what would go', {
    body: z.object({ dryRun: z.boolean().default(false) }),
    reply: collectedView,
  }),
  checkRegistry: endpoint('POST', '/registry/check', 'admin', 'Looks for damage in the registry', {
    body: z.object({ deep: z.boolean().default(false), quarantine: z.boolean().default(false) }),
    reply: registryCheckView,
  }),
  listUpstreamTrust: endpoint('GET', '/upstream-trust', 'person', 'Whose signatures are trusted for third-party images', {
    reply: z.array(upstreamTrustView),
  }),
  addUpstreamTrust: endpoint('POST', '/upstream-trust', 'admin', 'Trusts a key for third-party images of a pattern', {
    body: z.object({
      images: z.string().max(300),
      /** Either this, in PEM, */
      publicKey: z.string().max(10_000).exactOptional(),
      /** or these three. */
      identity: z.string().max(500).exactOptional(),
      issuer: z.string().max(500).exactOptional(),
      trustedRoot: z
        .string()
        .max(1024 * 1024)
        .exactOptional(),
      required: z.boolean().default(false),
      signedAs: z.string().max(300).exactOptional(),
    }),
    reply: upstreamTrustView,
  }),
  removeUpstreamTrust: endpoint('DELETE', '/upstream-trust/:id', 'admin', 'Trusts a key no more', { params: id, reply: upstreamTrustView }),
  judgeBases: endpoint('POST', '/bases', 'person', 'What references to bases name now, and whether images may be built upon them', {
    body: z.object({ references: z.array(z.string().max(1_000)).max(500) }),
    reply: z.array(
      z.object({
        reference: z.string(),
        /** What it names now, when it is there. */
        digest: z.string().exactOptional(),
        /** Why no image may be built upon it. */
        refused: z.string().exactOptional(),
        fix: z.string().exactOptional(),
      }),
    ),
  }),
  registryUsage: endpoint('GET', '/registry/usage', 'admin', 'What the registry holds, by repository', { reply: registryUsageView }),

  listExternalRegistries: endpoint('GET', '/external-registries', 'person', 'Registries that the company has, without their credentials', {
    reply: z.array(externalRegistryView),
  }),
  addExternalRegistry: endpoint(
    'POST',
    '/external-registries',
    'admin',
    'Adds a registry that the company has; its credentials are sealed',
    {
      body: z.object({
        name: z.string().max(63),
        server: z.string().max(300),
        kind: z.enum(['basic', 'acr', 'ecr', 'gar']),
        prefix: z.string().max(200).exactOptional(),
        naming: z.enum(['path', 'flat']).default('path'),
        uses: z
          .array(z.enum(['publish', 'import', 'mirror']))
          .max(3)
          .default([]),
        repositories: z.array(z.string().max(63)).max(1_000).default([]),
        tokenHost: z.string().max(300).exactOptional(),
        ca: z
          .string()
          .max(64 * 1024)
          .exactOptional(),
        createRepositories: z.boolean().default(false),
        /** There is no credential. */
        anonymous: z.boolean().default(false),
        mirror: z.object({ tagSeconds: z.number().int().exactOptional(), quotaBytes: z.number().int().exactOptional() }).exactOptional(),
        /** JSON text; its shape depends on the kind. */
        credential: z
          .string()
          .max(64 * 1024)
          .exactOptional(),
        pullCredential: z
          .string()
          .max(64 * 1024)
          .exactOptional(),
      }),
      reply: externalRegistryView,
    },
  ),
  removeExternalRegistry: endpoint('DELETE', '/external-registries/:name', 'admin', 'Forgets a registry and its credentials', {
    params: name,
  }),
  renewExternalCredentials: endpoint(
    'POST',
    '/external-registries/:name/credentials',
    'admin',
    'Gives a registry other credentials; what is left out stays',
    {
      params: name,
      body: z.object({
        credential: z
          .string()
          .max(64 * 1024)
          .exactOptional(),
        pullCredential: z
          .string()
          .max(64 * 1024)
          .exactOptional(),
      }),
      reply: externalRegistryView,
    },
  ),
  checkExternalRegistry: endpoint('POST', '/external-registries/:name/check', 'admin', 'Logs in and tries what the credential may do', {
    params: name,
    body: z.object({ repository: z.string().max(255).exactOptional() }),
    reply: externalCheckView,
  }),

  listMirrors: endpoint('GET', '/mirrors', 'person', 'What is cached of other registries', { reply: z.array(mirrorView) }),
  showMirror: endpoint('GET', '/mirrors/:name', 'person', 'The images that the cache has of one registry', {
    params: name,
    reply: mirrorContentsView,
  }),
  setMirror: endpoint('POST', '/mirrors/:name', 'admin', 'Changes the quota of a mirror, or the time for which it trusts a tag', {
    params: name,
    body: z.object({ tagSeconds: z.number().int().exactOptional(), quotaBytes: z.number().int().exactOptional() }),
    reply: mirrorView,
  }),
  clearMirror: endpoint('POST', '/mirrors/:name/clear', 'admin', 'Throws away what is cached of one registry', {
    params: name,
    reply: z.object({ items: z.number(), bytes: z.number() }),
  }),

  auditRegistries: endpoint('POST', '/audit/registries', 'admin', 'Who besides the pipeline can push, as far as it can be told', {
    body: z.object({ names: z.array(z.string().max(63)).max(100).default([]) }),
    reply: z.array(registryFindingView),
  }),

  keys: endpoint('GET', '/keys', 'public', 'Public keys of papers and ledger', {
    reply: z.object({ papers: z.unknown(), ledger: z.string() }),
  }),
  snapshot: endpoint('GET', '/snapshot', 'public', 'The signed snapshot that the gate decides from', { reply: z.unknown() }),
  policy: endpoint('GET', '/policy', 'public', 'The policies of all namespaces', { reply: z.unknown() }),
  checkpoint: endpoint('GET', '/ledger/checkpoint', 'public', 'The newest signed checkpoint of the ledger', {
    reply: z.object({ checkpoint: z.string() }),
  }),
} as const;

export const streams = {
  log: '/api/v1/runs/:id/log',
  ledger: '/api/v1/ledger',
  events: '/api/v1/runs/:id/events',
} as const;
