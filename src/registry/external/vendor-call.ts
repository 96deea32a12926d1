import { z } from 'zod';
import { WaybillError } from '../../kernel/error.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { RegistryAuth } from '../../oci/client-session.ts';
import { createTransport, readAnswer } from '../../oci/transport.ts';

/** What one exchange with a vendor may use. */
export type Exchange = {
  readonly now: Date;
  readonly signal: AbortSignal | undefined;
  readonly endpoints: VendorEndpoints;
  /** Base URL of the registry itself. */
  readonly registry: URL;
  /** PEM of the CA of the registry. */
  readonly ca?: string;
};

/** What a registry takes: for our client, and as name and password for a kubelet. */
export type Login = {
  readonly auth: RegistryAuth;
  readonly username: string;
  readonly password: Secret;
  /** Undefined: it holds until somebody changes it. */
  readonly expiresAt?: Date;
};

/** Where vendors are asked. Fixed by the kind and the name of the host: no record names one. Tests put their own server here. */
export type VendorEndpoints = {
  readonly entra: (cloud: 'io' | 'us' | 'cn') => string;
  readonly ecr: (place: { region: string; fips: boolean; china: boolean }) => string;
  readonly google: string;
};

export const vendorEndpoints: VendorEndpoints = {
  entra: (cloud) =>
    ({ io: 'https://login.microsoftonline.com', us: 'https://login.microsoftonline.us', cn: 'https://login.partner.microsoftonline.cn' })[
      cloud
    ],
  ecr: ({ region, fips, china }) => `https://${fips ? 'ecr-fips' : 'api.ecr'}.${region}.amazonaws.com${china ? '.cn' : ''}`,
  google: 'https://oauth2.googleapis.com/token',
};

const callMs = 30_000;
const largestAnswer = 1024 * 1024;
const errorShape = z.object({
  error: z.string().optional(),
  __type: z.string().optional(),
  errors: z.array(z.object({ code: z.string() })).optional(),
});

export type VendorAnswer = { readonly status: number; readonly body: unknown; readonly code: string };

/**
 * One POST. Redirects are not followed, so what is sent reaches nobody else. Of a refusal only the code is kept: descriptions may quote what was sent.
 * @throws WaybillError REGISTRY_FAILED, DEADLINE_EXCEEDED, CANCELLED
 */
export async function vendorPost(
  exchange: Pick<Exchange, 'signal' | 'ca'>,
  url: URL,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<VendorAnswer> {
  using transport = createTransport({ idleMs: callMs, maxSockets: 2, ...(exchange.ca === undefined ? {} : { ca: exchange.ca }) });
  const response = await transport.send({
    method: 'POST',
    url,
    headers: { 'user-agent': 'waybill', accept: 'application/json', ...headers },
    body: { bytes: body },
    signal: exchange.signal,
    timeoutMs: callMs,
    repeatable: true,
  });
  const text = (await readAnswer(response, largestAnswer)).toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  const said = errorShape.safeParse(parsed).data;
  const code = said?.error ?? said?.__type?.split('#').at(-1) ?? said?.errors?.[0]?.code ?? '';
  return { status: response.status, body: parsed, code: /^[\w.-]{1,100}$/.test(code) ? code : '' };
}

export async function vendorForm(exchange: Exchange, url: URL, form: Readonly<Record<string, string>>): Promise<VendorAnswer> {
  return vendorPost(exchange, url, Buffer.from(new URLSearchParams(form).toString()), {
    'content-type': 'application/x-www-form-urlencoded',
  });
}

/** What a vendor gave instead of what was asked for. */
export function vendorRefusal(who: string, answer: VendorAnswer, fix: string): WaybillError {
  const said = answer.code === '' ? '' : ` (${answer.code})`;
  const denied = [400, 401, 403].includes(answer.status);
  return new WaybillError(denied ? 'UNAUTHENTICATED' : 'REGISTRY_FAILED', `${who} gave no token: status ${answer.status}${said}`, { fix });
}
