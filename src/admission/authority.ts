import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

/** PEM of a certificate and of its PKCS#8 key. */
export type Issued = { readonly cert: string; readonly key: string; readonly notBefore: string; readonly notAfter: string };

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** The X.509 library wants a polyfill of Reflect first; both are loaded only when a certificate is made. */
async function library(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

/** A self-signed authority (ECDSA P-256, RFC 5280) that may sign serving certificates and nothing below them. */
export async function makeAuthority(name: string, notBefore: Date, notAfter: Date): Promise<Issued> {
  const x509 = await library();
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
    serialNumber: serial(),
    notBefore,
    notAfter,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return issued(certificate.toString('pem'), keys.privateKey, notBefore, notAfter);
}

/** A serving certificate for DNS names and IP addresses, signed by `authority` and never longer valid than it. */
export async function makeServing(authority: Issued, names: readonly string[], notBefore: Date, wanted: Date): Promise<Issued> {
  const x509 = await library();
  const notAfter = new Date(Math.min(wanted.getTime(), Date.parse(authority.notAfter)));
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', derOf(authority.key), algorithm, false, ['sign']);
  const issuer = new x509.X509Certificate(authority.cert);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=waybill-admission',
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    serialNumber: serial(),
    notBefore,
    notAfter,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return issued(certificate.toString('pem'), keys.privateKey, notBefore, notAfter);
}

async function issued(cert: string, privateKey: webcrypto.CryptoKey, notBefore: Date, notAfter: Date): Promise<Issued> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  const key = `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
  return { cert: `${cert.trim()}\n`, key, notBefore: notBefore.toISOString(), notAfter: notAfter.toISOString() };
}

function derOf(pem: string): Buffer<ArrayBuffer> {
  return Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64');
}

/** 127 random bits: positive, and unique without a counter (RFC 5280, 4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x01, 0);
  return bytes.toString('hex');
}
