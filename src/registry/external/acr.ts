import { decodeJwt } from 'jose';
import { z } from 'zod';
import { Secret } from '../../kernel/secret.ts';
import type { Credentials } from './credential.ts';
import { azureCloud } from './record.ts';
import { vendorForm, vendorRefusal, type Exchange, type Login } from './vendor-call.ts';

/** By this name a registry of Azure knows that the password is a refresh token. */
const refreshUser = '00000000-0000-0000-0000-000000000000';
const threeHours = 3 * 3_600_000;
const entraToken = z.object({ access_token: z.string().min(1) });
const refreshToken = z.object({ refresh_token: z.string().min(1) });

/**
 * Azure Container Registry (azure.github.io/acr/AAD-OAuth): client credentials of a service principal → access token of Entra ID → refresh token of
 * the registry. The client exchanges that one for an access token of each scope at the registry's own `/oauth2/token`.
 */
export async function acrLogin(server: string, credential: Credentials['acr'], exchange: Exchange): Promise<Login> {
  const entra = await vendorForm(
    exchange,
    new URL(`/${credential.tenant}/oauth2/v2.0/token`, exchange.endpoints.entra(azureCloud(server))),
    {
      grant_type: 'client_credentials',
      client_id: credential.clientId,
      client_secret: credential.clientSecret.reveal(),
      scope: 'https://containerregistry.azure.net/.default',
    },
  );
  const access = entraToken.safeParse(entra.body);
  if (entra.status !== 200 || !access.success)
    throw vendorRefusal(
      'Microsoft Entra ID',
      entra,
      'Check tenant, client id and client secret of the service principal, and whether the secret has expired.',
    );
  const exchanged = await vendorForm(exchange, new URL('/oauth2/exchange', exchange.registry), {
    grant_type: 'access_token',
    service: server,
    tenant: credential.tenant,
    access_token: access.data.access_token,
  });
  const refresh = refreshToken.safeParse(exchanged.body);
  if (exchanged.status !== 200 || !refresh.success)
    throw vendorRefusal(server, exchanged, 'Give the service principal the role AcrPush (or AcrPull) at this registry.');
  const token = refresh.data.refresh_token;
  return {
    auth: { identityToken: new Secret(token) },
    username: refreshUser,
    password: new Secret(token),
    expiresAt: expiryOf(token) ?? new Date(exchange.now.getTime() + threeHours),
  };
}

function expiryOf(token: string): Date | undefined {
  try {
    const { exp } = decodeJwt(token);
    return exp === undefined ? undefined : new Date(exp * 1000);
  } catch {
    return undefined;
  }
}
