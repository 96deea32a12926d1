import { z } from 'zod';
import { isName } from '../../kernel/ids.ts';
import { isRegistryHost, isRepositoryPath } from '../../oci/reference.ts';

/** How a credential becomes a login: as it is, or through the exchange of a vendor. */
export const externalKinds = ['basic', 'acr', 'ecr', 'gar'] as const;
export type ExternalKind = (typeof externalKinds)[number];

export const externalUses = ['publish', 'import', 'mirror'] as const;
export type ExternalUse = (typeof externalUses)[number];

/** `path`: `PREFIX/REPOSITORY/IMAGE`; `flat`: `PREFIX/REPOSITORY-IMAGE`, for registries with a fixed depth such as Docker Hub. */
export const namings = ['path', 'flat'] as const;
export type Naming = (typeof namings)[number];

const host = z.string().max(300).refine(isRegistryHost, 'must be a host or host:port, without a scheme or a path');

/** What an administrator says of a registry that the company has. Nothing in it is secret. */
export const externalRecord = z
  .strictObject({
    name: z.string().refine(isName, 'must be lower-case letters and digits, with single - _ . between them, at most 63'),
    /** `host` or `host:port`; Docker Hub is `docker.io`. */
    server: host.transform(canonicalServer),
    kind: z.enum(externalKinds),
    /** Before every repository that Waybill names there: a project, an organisation, an account. */
    prefix: z.string().max(200).refine(isRepositoryPath, 'must be lower-case names with / between them').exactOptional(),
    naming: z.enum(namings).default('path'),
    uses: z.array(z.enum(externalUses)).max(3).default([]),
    /** Whose images may be published there; `*` is every repository. */
    repositories: z
      .array(z.string().refine((each) => each === '*' || isName(each), 'must be the name of a repository, or *'))
      .max(1_000)
      .default([]),
    /** The one other host that may be asked for tokens with this credential (a GitLab of one's own). */
    tokenHost: host.exactOptional(),
    /** PEM of the CA of a registry inside the company. */
    ca: z
      .string()
      .max(64 * 1024)
      .regex(/-----BEGIN CERTIFICATE-----/, 'must hold a certificate in PEM')
      .exactOptional(),
    /** Makes a repository that is missing (Amazon ECR refuses pushes to one), with tags that do not move. */
    createRepositories: z.boolean().default(false),
    /** There is no credential: what is public there is enough. */
    anonymous: z.boolean().default(false),
    /** For the use `mirror`; see mirror/path.ts. With a prefix, only what is below it is fetched. */
    mirror: z
      .strictObject({
        /** For so long a tag is taken for what it was when it was last asked for. */
        tagSeconds: z
          .number()
          .int()
          .min(0)
          .max(30 * 86_400)
          .default(300),
        /** What the cache keeps of this registry, in bytes; the least recently used goes first. */
        quotaBytes: z
          .number()
          .int()
          .min(1_000_000)
          .max(2 ** 50)
          .default(20 * 1024 ** 3),
      })
      .exactOptional(),
  })
  .superRefine((record, context) => {
    const problem = serverProblem(record.kind, record.server);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['server'], message: problem });
    if (record.createRepositories && record.kind !== 'ecr')
      context.addIssue({
        code: 'custom',
        path: ['createRepositories'],
        message: 'is for kind ecr: other registries make repositories themselves',
      });
    if (record.anonymous && (record.kind !== 'basic' || record.uses.includes('publish')))
      context.addIssue({ code: 'custom', path: ['anonymous'], message: 'is for kind basic, and nobody publishes without a credential' });
    if (record.mirror !== undefined && !record.uses.includes('mirror'))
      context.addIssue({ code: 'custom', path: ['mirror'], message: 'is for the use mirror' });
    if (record.tokenHost !== undefined && record.kind !== 'basic')
      context.addIssue({ code: 'custom', path: ['tokenHost'], message: 'is for kind basic: where tokens of a vendor come from is fixed' });
  });
export type NewExternalRegistry = z.input<typeof externalRecord>;
export type ExternalRegistry = z.output<typeof externalRecord> & {
  readonly createdAt: string;
  /** When it got the credentials that it has. */
  readonly credentialsAt: string;
};

const azure = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.azurecr\.(io|us|cn)$/;
const amazon = /^(\d{12})\.dkr\.ecr(-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(\.cn)?$/;
const google = /^(?:[a-z0-9]+(?:-[a-z0-9]+)*-docker\.pkg\.dev|(?:[a-z]{2,4}\.)?gcr\.io)$/;
const hub = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);

/** The credential of a vendor goes to hosts of that vendor alone. */
function serverProblem(kind: ExternalKind, server: string): string | undefined {
  switch (kind) {
    case 'acr':
      return azure.test(server) ? undefined : 'must be NAME.azurecr.io (or .us, .cn) for kind acr';
    case 'ecr':
      return amazon.test(server) ? undefined : 'must be ACCOUNT.dkr.ecr.REGION.amazonaws.com for kind ecr';
    case 'gar':
      return google.test(server) ? undefined : 'must be LOCATION-docker.pkg.dev or gcr.io for kind gar';
    default:
      return undefined;
  }
}

export function canonicalServer(server: string): string {
  const lower = server.toLowerCase();
  return hub.has(lower) ? 'docker.io' : lower;
}

/** Account and region, as the host's name has them. */
export function amazonPlace(server: string): { account: string; region: string; fips: boolean; china: boolean } | undefined {
  const [, account, fips, region, china] = amazon.exec(server) ?? [];
  return account === undefined || region === undefined
    ? undefined
    : { account, region, fips: fips !== undefined, china: china !== undefined };
}

export function azureCloud(server: string): 'io' | 'us' | 'cn' {
  const suffix = azure.exec(server)?.[1];
  return suffix === 'us' || suffix === 'cn' ? suffix : 'io';
}
