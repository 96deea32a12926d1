import { importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import { WaybillError } from '../../kernel/error.ts';
import { Secret } from '../../kernel/secret.ts';
import type { Credentials } from './credential.ts';
import { vendorEndpoints, vendorForm, vendorRefusal, type Exchange, type Login } from './vendor-call.ts';

const tokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.number().positive().max(86_400) });

/**
 * Google Artifact Registry and Container Registry: a JWT that the service account's key signs (RFC 7523, developers.google.com
 * "Using OAuth 2.0 for server to server applications") → an access token, the password of `oauth2accesstoken`.
 */
export async function garLogin(credential: Credentials['gar'], exchange: Exchange): Promise<Login> {
  const seconds = Math.floor(exchange.now.getTime() / 1000);
  const assertion = await new SignJWT({ scope: 'https://www.googleapis.com/auth/cloud-platform' })
    .setProtectedHeader({
      alg: 'RS256',
      typ: 'JWT',
      ...(credential.private_key_id === undefined ? {} : { kid: credential.private_key_id }),
    })
    .setIssuer(credential.client_email)
    .setAudience(vendorEndpoints.google)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 3600)
    .sign(await keyOf(credential.private_key));
  const answer = await vendorForm(exchange, new URL(exchange.endpoints.google), {
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion,
  });
  const token = tokenAnswer.safeParse(answer.body);
  if (answer.status !== 200 || !token.success)
    throw vendorRefusal('Google', answer, 'Check that the key of the service account exists, and that the clock of this machine is right.');
  const username = 'oauth2accesstoken';
  const password = new Secret(token.data.access_token);
  return { auth: { username, password }, username, password, expiresAt: new Date(exchange.now.getTime() + token.data.expires_in * 1000) };
}

async function keyOf(pem: Secret) {
  try {
    return await importPKCS8(pem.reveal(), 'RS256');
  } catch {
    throw new WaybillError('INVALID_INPUT', 'private_key of the service account is no key in PKCS #8', {
      fix: 'Give the JSON key as Google gave it.',
    });
  }
}
