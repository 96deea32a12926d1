import { acrLogin } from './acr.ts';
import type { Credential } from './credential.ts';
import { ecrLogin } from './ecr.ts';
import { garLogin } from './gar.ts';
import type { Exchange, Login } from './vendor-call.ts';

/** @throws WaybillError UNAUTHENTICATED, REGISTRY_FAILED */
export async function loginTo(server: string, credential: Credential, exchange: Exchange): Promise<Login> {
  switch (credential.kind) {
    case 'basic': {
      const { username, password } = credential;
      return { auth: { username, password }, username, password };
    }
    case 'acr':
      return acrLogin(server, credential, exchange);
    case 'ecr':
      return ecrLogin(server, credential, exchange);
    case 'gar':
      return garLogin(credential, exchange);
  }
}
