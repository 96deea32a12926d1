import { SignatureV4 } from '@smithy/signature-v4';
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { z } from 'zod';
import { WaybillError } from '../../kernel/error.ts';
import { Secret } from '../../kernel/secret.ts';
import type { Credentials } from './credential.ts';
import { amazonPlace } from './record.ts';
import { vendorPost, vendorRefusal, type Exchange, type Login, type VendorAnswer } from './vendor-call.ts';

const tokenAnswer = z.object({
  authorizationData: z.array(z.object({ authorizationToken: z.string().regex(/^\S+$/), expiresAt: z.number() })).min(1),
});

/** Amazon ECR, GetAuthorizationToken: a password for the user `AWS`, good for twelve hours. */
export async function ecrLogin(server: string, credential: Credentials['ecr'], exchange: Exchange): Promise<Login> {
  const answer = await callEcr(server, credential, exchange, 'GetAuthorizationToken', {});
  const parsed = tokenAnswer.safeParse(answer.body);
  const given = parsed.data?.authorizationData[0];
  if (answer.status !== 200 || given === undefined)
    throw vendorRefusal(
      'Amazon ECR',
      answer,
      'Check the access key, that it may ecr:GetAuthorizationToken, and the clock of this machine.',
    );
  const [, username, password] = /^([^:]+):(.+)$/s.exec(Buffer.from(given.authorizationToken, 'base64').toString('utf8')) ?? [];
  if (username === undefined || password === undefined)
    throw new WaybillError('REGISTRY_FAILED', 'Amazon ECR gave a token that is no name and password');
  const secret = new Secret(password);
  return { auth: { username, password: secret }, username, password: secret, expiresAt: new Date(given.expiresAt * 1000) };
}

/** CreateRepository with tags that do not move; one that is there already is left as it is. */
export async function createEcrRepository(
  server: string,
  credential: Credentials['ecr'],
  exchange: Exchange,
  repository: string,
): Promise<void> {
  const answer = await callEcr(server, credential, exchange, 'CreateRepository', {
    repositoryName: repository,
    imageTagMutability: 'IMMUTABLE',
  });
  if (answer.status === 200 || answer.code === 'RepositoryAlreadyExistsException') return;
  throw new WaybillError('REGISTRY_FAILED', `Amazon ECR made no repository ${repository}: status ${answer.status} ${answer.code}`, {
    fix: 'Let the access key ecr:CreateRepository, or make the repository by hand.',
  });
}

/** One action of the ECR API (2015-09-21), signed with Signature Version 4. */
export async function callEcr(
  server: string,
  credential: Credentials['ecr'],
  exchange: Exchange,
  action: string,
  input: Readonly<Record<string, unknown>>,
): Promise<VendorAnswer> {
  const place = amazonPlace(server);
  if (!place) throw new WaybillError('INTERNAL', `${server} is no registry of Amazon`);
  const url = new URL('/', exchange.endpoints.ecr(place));
  const body = JSON.stringify(input);
  const signer = new SignatureV4({
    service: 'ecr',
    region: place.region,
    sha256: Sha256,
    credentials: {
      accessKeyId: credential.accessKeyId,
      secretAccessKey: credential.secretAccessKey.reveal(),
      ...(credential.sessionToken === undefined ? {} : { sessionToken: credential.sessionToken.reveal() }),
    },
  });
  const signed = await signer.sign(
    {
      method: 'POST',
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: {},
      headers: {
        host: url.host,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `AmazonEC2ContainerRegistry_V20150921.${action}`,
      },
      body,
    },
    { signingDate: exchange.now },
  );
  const { host: _, ...headers } = signed.headers;
  return vendorPost({ signal: exchange.signal }, url, Buffer.from(body), headers);
}

type Data = string | ArrayBuffer | ArrayBufferView;

/** The platform's hash in the shape that the signer asks for. */
class Sha256 {
  readonly #secret: Buffer | undefined;
  #hash: Hash | Hmac;

  constructor(secret?: Data) {
    this.#secret = secret === undefined ? undefined : bytesOf(secret);
    this.#hash = this.#fresh();
  }

  update(data: Data): void {
    this.#hash.update(bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = this.#fresh();
  }

  #fresh(): Hash | Hmac {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret);
  }
}

function bytesOf(data: Data): Buffer {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}
