import { z } from 'zod';
import { endpoint, id } from '../define-endpoint.ts';
import { importView, upstreamTrustView } from '../import-views.ts';
import { scanView } from '../scan-views.ts';

export const importsEndpoints = {
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
} as const;
