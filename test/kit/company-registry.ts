import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { digestOf } from '../../src/kernel/digest.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { connectRegistry } from '../../src/oci/client.ts';
import { ociConfig, ociManifest } from '../../src/oci/media-types.ts';
import { freePort } from '../../scripts/demo/stand.ts';
import { findProgram } from './needs.ts';

/** `reader` is another name with the same password. */
export const companyLogin = { username: 'waybill', reader: 'reader', password: 'a password of the company' } as const;
/** bcrypt of that password. */
const hash = '$2b$05$abcdefghijklmnopqrstuuj0nBWfzJP8ntQNDOrrJg.bZdEAmEF1y';
const htpasswd = [companyLogin.username, companyLogin.reader].map((name) => `${name}:${hash}\n`).join('');

export type CompanyRegistry = AsyncDisposable & {
  readonly host: string;
  /** What it has logged: `http.request.uri`, `http.request.useragent` and `http.response.status` of each request; not who. */
  log(): Promise<string>;
};

/** Debian's docker-registry, which has no referrers API, behind names and a password. */
export async function companyRegistry(scratch: string, name = 'company'): Promise<CompanyRegistry> {
  const host = `127.0.0.1:${await freePort()}`;
  const config = path.join(scratch, `${name}.yml`);
  const logFile = path.join(scratch, `${name}.log`);
  await writeFile(path.join(scratch, 'htpasswd'), htpasswd);
  await writeFile(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'info' },
      storage: { filesystem: { rootdirectory: path.join(scratch, name) } },
      http: { addr: host },
      auth: { htpasswd: { realm: 'company', path: path.join(scratch, 'htpasswd') } },
    }),
  );
  const child = spawn((await findProgram('docker-registry')) ?? 'docker-registry', ['serve', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream.pipe(createWriteStream(logFile, { flags: 'a' }));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for (let tries = 0; tries < 100; tries++) {
    const up = await fetch(`http://${host}/v2/`).then(
      (answer) => answer.status === 401,
      () => false,
    );
    if (up) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    host,
    log: () => readFile(logFile, 'utf8'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** An image without layers; every call makes another one. */
export async function upstreamImage(host: string, repository: string, tag: string): Promise<string> {
  using client = connectRegistry({
    registry: host,
    plainHttp: true,
    auth: { username: companyLogin.username, password: new Secret(companyLogin.password) },
  });
  const config = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      author: randomBytes(8).toString('hex'),
      rootfs: { type: 'layers', diff_ids: [] },
    }),
  );
  const descriptor = { mediaType: ociConfig, digest: digestOf(config), size: config.length };
  await client.putBlob(repository, { bytes: config }, descriptor);
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: descriptor, layers: [] }));
  return (await client.putManifest(repository, manifest, ociManifest, { tag })).digest;
}
