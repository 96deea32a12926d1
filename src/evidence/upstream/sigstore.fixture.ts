import { createHash, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { bundleToJSON } from '@sigstore/bundle';
import { fulcioHandler, initializeCA, initializeCTLog, initializeTLog } from '@sigstore/mock';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { DSSEBundleBuilder, FulcioSigner, RekorWitness } from '@sigstore/sign';

/** For tests: a Fulcio with its log and a Rekor, with real keys behind a real server, and a signer that talks to them. */
export type TestSigstore = AsyncDisposable & {
  /** JSON of the root that trusts them. */
  readonly trustedRoot: string;
  /** A bundle of an in-toto statement, signed as somebody. */
  sign(statement: object, as: { readonly subject: string; readonly issuer: string }): Promise<string>;
};

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const sha256 = (content: string | Buffer) => ({ algorithm: 'sha256', value: createHash('sha256').update(content).digest('hex') });
const base64Url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
/** `PKIX_ECDSA_P256_SHA_256` and `SHA2_256` of sigstore_common.proto. */
const [p256, sha2] = [5, 1];

type Proposed = { spec: { proposedContent: { envelope: string; verifiers: string[] } } };
type Envelope = { payload: string; signatures: { sig: string }[] };

export async function startTestSigstore(): Promise<TestSigstore> {
  const ctlog = await initializeCTLog(pair());
  const ca = await initializeCA(pair(), ctlog);
  const rekor = 'https://rekor.test';
  const tlog = await initializeTLog(rekor, pair());
  const fulcio = fulcioHandler(ca, { strict: true });
  /** As Rekor does: what is proposed is an envelope, what is logged are its hashes. */
  const log = async (body: string) => {
    const { envelope, verifiers } = (JSON.parse(body) as Proposed).spec.proposedContent;
    const { payload, signatures } = JSON.parse(envelope) as Envelope;
    const entry = {
      apiVersion: '0.0.1',
      kind: 'dsse',
      spec: {
        envelopeHash: sha256(envelope),
        payloadHash: sha256(Buffer.from(payload, 'base64')),
        signatures: signatures.map(({ sig }, n) => ({ signature: sig, verifier: verifiers[n] })),
      },
    };
    return { statusCode: 201, response: JSON.stringify(await tlog.log(entry)), contentType: 'application/json' };
  };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    request.on('end', async () => {
      const handle = request.url === fulcio.path ? fulcio.fn : log;
      const answer = await handle(body);
      response.writeHead(answer.statusCode, { 'content-type': answer.contentType ?? 'text/plain' }).end(answer.response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `http://127.0.0.1:${address.port}`;
  const validFor = { start: new Date(Date.now() - 3_600_000), end: undefined };
  const bytes = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  const logOf = (baseUrl: string, publicKey: Buffer, keyId: Buffer) => ({
    baseUrl,
    hashAlgorithm: sha2,
    publicKey: { rawBytes: publicKey, keyDetails: p256, validFor },
    logId: { keyId },
    checkpointKeyId: undefined,
    operator: '',
  });
  const trustedRoot = TrustedRoot.toJSON({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    certificateAuthorities: [
      {
        subject: { commonName: 'test', organization: 'test' },
        uri: url,
        certChain: { certificates: [{ rawBytes: bytes(ca.rootCertificate) }] },
        validFor,
        operator: '',
      },
    ],
    tlogs: [logOf(rekor, tlog.publicKey, createHash('sha256').update(tlog.publicKey).digest())],
    ctlogs: [logOf('https://ctfe.test', ctlog.publicKey, bytes(ctlog.logID))],
    timestampAuthorities: [],
  });
  return {
    trustedRoot: JSON.stringify(trustedRoot),
    async sign(statement, { subject, issuer }) {
      const token = [base64Url({ alg: 'none' }), base64Url({ sub: subject, iss: issuer }), 'x'].join('.');
      const builder = new DSSEBundleBuilder({
        signer: new FulcioSigner({ fulcioBaseURL: url, identityProvider: { getToken: async () => token } }),
        witnesses: [new RekorWitness({ rekorBaseURL: url, entryType: 'dsse' })],
      });
      const bundle = await builder.create({ data: Buffer.from(JSON.stringify(statement)), type: 'application/vnd.in-toto+json' });
      return JSON.stringify(bundleToJSON(bundle));
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
