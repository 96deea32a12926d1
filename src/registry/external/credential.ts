import { z } from 'zod';
import { WaybillError } from '../../kernel/error.ts';
import { Secret } from '../../kernel/secret.ts';
import type { ExternalKind } from './record.ts';

const text = (most: number) => z.string().min(1).max(most);
const secret = (most: number) => text(most).transform((value) => new Secret(value));
const guid = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.-]{0,127}$/, 'must be an id or a domain');

/** A name and a password, or a token: robots of Harbor and Quay, deploy tokens of GitLab, tokens of GitHub and Docker Hub, tokens of ACR. */
const basic = z.strictObject({ username: text(300).regex(/^[^:\s]+$/, 'must have no colon and no space'), password: secret(16 * 1024) });
/** A service principal of Microsoft Entra ID. */
const acr = z.strictObject({ tenant: guid, clientId: guid, clientSecret: secret(4096) });
const ecr = z.strictObject({
  accessKeyId: text(128).regex(/^\w+$/, 'must be letters and digits'),
  secretAccessKey: secret(256),
  sessionToken: secret(16 * 1024).exactOptional(),
});
/** The JSON key of a service account, as Google gives it; its token_uri is not followed. */
const gar = z.object({
  type: z.literal('service_account'),
  client_email: text(320),
  private_key_id: text(200).exactOptional(),
  private_key: secret(16 * 1024),
});

export type Credentials = {
  basic: z.output<typeof basic>;
  acr: z.output<typeof acr>;
  ecr: z.output<typeof ecr>;
  gar: z.output<typeof gar>;
};
export type Credential = { [Kind in ExternalKind]: { readonly kind: Kind } & Credentials[Kind] }[ExternalKind];

const schemas = { basic, acr, ecr, gar } as const;
export const credentialShapes: Readonly<Record<ExternalKind, string>> = {
  basic: '{ "username", "password" }',
  acr: '{ "tenant", "clientId", "clientSecret" }',
  ecr: '{ "accessKeyId", "secretAccessKey" } and, when it is a temporary one, "sessionToken"',
  gar: 'the JSON key of a service account',
};

/** @param sealed the JSON that was given @throws WaybillError INVALID_INPUT that names fields and quotes no value */
export function parseCredential(kind: ExternalKind, sealed: Secret): Credential {
  const refuse = (why: string) =>
    new WaybillError('INVALID_INPUT', `the credential is none for kind ${kind}: ${why}`, { fix: `Give JSON: ${credentialShapes[kind]}.` });
  let value: unknown;
  try {
    value = JSON.parse(sealed.reveal());
  } catch {
    // The parser's message quotes what it read.
    throw refuse('it is no JSON');
  }
  const result = schemas[kind].safeParse(value);
  if (!result.success)
    throw refuse(
      result.error.issues
        .slice(0, 5)
        .map((issue) =>
          issue.code === 'unrecognized_keys' ? 'it has fields that are not known' : `${issue.path.join('.') || 'it'} is missing or wrong`,
        )
        .join('; '),
    );
  return { kind, ...result.data } as Credential;
}
