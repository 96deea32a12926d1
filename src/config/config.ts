import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { basesConfig } from './bases.ts';
import { foldersOf, type Folders } from './folders.ts';

/** `waybill.json` in the data directory. Every field has a default but the address that others reach us under. */
export const configFile = z.strictObject({
  server: z
    .strictObject({
      host: z.string().default('127.0.0.1'),
      port: z.number().int().min(0).max(65535).default(8080),
      /** How people, git and container engines reach the server. */
      url: z.url().optional(),
      /** Certificate chain and key, PEM, relative to the data directory; read again when they change. */
      tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
      /**
       * Something in front speaks TLS, and nobody reaches the server past it: plain HTTP on other addresses than loopback is then meant, and
       * the last entry of X-Forwarded-For is who asks.
       */
      behindProxy: z.boolean().default(false),
      /** Connections at once; one address has at most half of them, except behind a proxy. */
      connections: z.number().int().min(16).max(100_000).default(4096),
    })
    .prefault({}),
  registry: z
    .strictObject({
      /** `host:port` as it stands in references to images; the server's own address by default. */
      name: z.string().optional(),
      /** What a collection keeps besides what runs: images so young, the newest of each repository, those of the newest releases. */
      keep: z
        .strictObject({
          days: z.number().int().min(1).max(36_500).default(30),
          perRepository: z.number().int().min(0).max(10_000).default(5),
          releases: z.number().int().min(1).max(1_000).default(5),
        })
        .prefault({}),
      /** Days for which a pull secret of an environment holds; it is renewed after two thirds of them. */
      pullSecretDays: z.number().int().min(1).max(365).default(30),
      /** Registries (`host` or `host:port`) on private addresses that images may be imported from; plain HTTP on loopback. */
      upstreams: z.array(z.string()).max(100).default([]),
      /** Of one holder of credentials; more is answered with 429 and when to try again. */
      requestsPerSecond: z.number().int().min(1).max(1_000_000).default(500),
      limits: z
        .strictObject({
          /** Bytes of one blob. */
          blobBytes: z
            .number()
            .int()
            .min(1024 ** 2)
            .max(1024 ** 4)
            .default(10 * 1024 ** 3),
          /** Uploads that may be open at once. */
          uploads: z.number().int().min(1).max(100_000).default(2_000),
          /** An upload that nobody goes on with for so many minutes is removed. */
          uploadIdleMinutes: z.number().int().min(1).max(10_080).default(60),
          /** A connection on which nothing moves for so long is ended. */
          idleSeconds: z.number().int().min(1).max(3_600).default(60),
          /** A client that is waited for, and moves less than this for `idleSeconds`, is cut off. */
          bytesPerSecond: z.number().int().min(0).max(1_000_000).default(1_024),
          /** A request that takes longer is ended, however lively. */
          requestMinutes: z.number().int().min(1).max(1_440).default(60),
        })
        .prefault({}),
      /** Hours between collections; 0 collects only when an administrator asks. */
      collectEveryHours: z.number().min(0).max(10_000).default(24),
      /** In bytes. */
      quota: z
        .strictObject({
          repositoryBytes: z.number().int().positive().optional(),
          /** By the name of a repository of the registry, in place of `repositoryBytes`. */
          repositories: z.record(z.string(), z.number().int().positive()).optional(),
          totalBytes: z.number().int().positive().optional(),
          /** Uploads are refused before the disk has less than this. */
          minimumFreeBytes: z
            .number()
            .int()
            .min(0)
            .default(512 * 1024 ** 2),
        })
        .prefault({}),
    })
    .prefault({}),
  runner: z
    .strictObject({
      /** Jobs and builds at once; the number of cores by default. */
      slots: z.number().int().min(1).max(256).optional(),
      /** Folders besides /usr that hold tools which steps may use; seen read-only at the same path. */
      toolchains: z.array(z.string()).default([]),
      /** Search path inside the sandbox, in front of the usual one. */
      path: z.array(z.string()).default([]),
      /** Addresses (CIDR) that are not public but that steps may reach: a package mirror. */
      allowAddresses: z.array(z.string()).default([]),
      unsafeNoSandbox: z.boolean().default(false),
    })
    .prefault({}),
  review: z.strictObject({ approvals: z.number().int().min(1).max(20).default(1) }).prefault({}),
  scan: z
    .strictObject({
      /** Advisories older than this count as none. */
      databaseDays: z.number().int().min(1).max(3_650).default(7),
      /** Hours between looks for credentials in the whole history of every repository; 0: only when somebody asks. */
      historyEveryHours: z.number().min(0).max(10_000).default(24),
      advisories: z
        .strictObject({
          /** OSV's exports, a mirror of them, or a folder. */
          from: z.string().min(1).optional(),
          /** As OSV names them; those that are there or the usual ones by default. */
          ecosystems: z.array(z.string().min(1)).max(200).optional(),
          /** Hours between updates; 0: only when somebody asks. */
          everyHours: z.number().min(0).max(10_000).default(24),
        })
        .prefault({}),
    })
    .prefault({}),
  bases: basesConfig.optional(),
  admission: z
    .strictObject({
      /** Days for which a paper keeps an image deployable after it was signed. */
      validDays: z.number().int().min(1).max(3650).default(90),
    })
    .prefault({}),
  signer: z
    .strictObject({
      /** Start the signer as a child of the server (one user, one machine), or expect it to run by itself. */
      managed: z.boolean().default(true),
    })
    .prefault({}),
});

export type ConfigFile = z.output<typeof configFile>;
export type ConfigInput = z.input<typeof configFile>;

export type Config = ConfigFile & { readonly folders: Folders };

/** @throws WaybillError NOT_FOUND without a data directory, INVALID_INPUT with the field that is wrong */
export async function loadConfig(data: string): Promise<Config> {
  const folders = foldersOf(data);
  const text = await readFile(folders.configFile, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    throw new WaybillError('NOT_FOUND', `${folders.data} is no data directory of Waybill`, {
      cause,
      fix: `Make one: waybill init --data ${data}`,
    });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', `${folders.configFile}: ${messageOf(cause)}`, { cause });
  }
  const parsed = configFile.safeParse(json);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`);
    throw new WaybillError('INVALID_INPUT', `${folders.configFile}: ${lines.join('; ')}`);
  }
  return Object.freeze({ ...parsed.data, folders });
}
