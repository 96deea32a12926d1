import type { Candidate, Judgement } from './candidate.ts';
import { base62Checksum } from './checksum.ts';
import { judgeGeneric, judgePassword } from './generic.ts';
import { judgeJwt } from './jwt.ts';
import { isPlaceholder } from './placeholder.ts';
import { isPublished } from './published.ts';
import { judgePrivateKey } from './private-key.ts';

type Check = (candidate: Candidate) => Judgement;

/** A token `prefix_` + 30 base-62 characters + their checksum. One that is wrong was never issued. */
const crc62: Check = ({ value }) => {
  const body = value.slice(value.indexOf('_') + 1);
  return base62Checksum(body.slice(0, -6)) === body.slice(-6) ? { validity: 'well-formed' } : { validity: 'malformed', severity: 'low' };
};

const decode = (text: string): string => Buffer.from(text, 'base64').toString('latin1');

/** Base64 of `user:password`, as `.dockercfg`, `config.json` and `_auth` of npm have it. */
const basic: Check = ({ value }) => {
  const text = decode(value);
  const colon = text.indexOf(':');
  const password = text.slice(colon + 1);
  if (
    colon < 1 ||
    password.length < 3 ||
    !/^[\x20-\x7e]+$/.test(text) ||
    isPlaceholder(password) ||
    /^(?:pass(?:word)?|secret|test)$/i.test(password)
  )
    return undefined;
  return { validity: 'well-formed' };
};

const base64Secret: Check = ({ value }) => {
  const text = decode(value);
  return text.length < 3 || isPlaceholder(text) || isPlaceholder(value) ? undefined : {};
};

const local =
  /^(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|0\.0\.0\.0|host\.docker\.internal|db|database|postgres|mysql|mariadb|mongo(?:db)?|redis|rabbitmq|cache)$/i;
const weak =
  /^pass(?:word)?[\W_]|^(?:opensesame|open sesame|pass(?:w(?:or)?d)?|secret|test(?:ing)?|admin|root|user(?:name)?|guest|postgres|mysql|mongo|redis|rabbit(?:mq)?|docker|default|dev(?:elopment)?|local|demo|app|myuser|mypass(?:word)?|pwd|p[@4]ss\w*|token|changeme|letmein|1234\w*|abc\w{0,5}|x+|y+|\*+|\.+|\w)$/i;

/** `scheme://user:password@host`: not the passwords of manuals, and those of a machine's own test database are no harm. */
const url: Check = ({ text, value, end, start, valueStart }) => {
  const password = safeDecode(value);
  const user = text.slice(start, valueStart - 1).replace(/^[^/]*\/\//, '');
  if (password.length < 3 || isPlaceholder(password) || weak.test(password) || password.toLowerCase() === user.toLowerCase())
    return undefined;
  // `http://host:port/path@…` and templates
  if (/^\d{1,5}\//.test(password) || /[{}<>$|]/.test(password)) return undefined;
  const host = /^@?(\[[0-9a-f:]+\]|[\w.-]*)/i.exec(text.slice(end, end + 260))?.[1] ?? '';
  if (/(?:^|\.)example(?:\.(?:com|org|net))?$|^(?:host|hostname|server|domain|address)(?:\.\w+)?$|\.(?:example|test|invalid)$/i.test(host))
    return undefined;
  return local.test(host) ? { severity: 'low' } : {};
};

const password: Check = ({ value }) => (isPlaceholder(value) || weak.test(value) ? undefined : {});

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Base32 after the prefix (IAM's identifiers): digits 0, 1, 8 and 9 do not occur in what is issued today. */
const awsKey: Check = ({ value }) => (/^A[A-Z0-9]{3}[A-Z2-7]{16}$/.test(value) ? { validity: 'well-formed' } : {});

/** Of a form that is told even where it is for show, as something that harms nobody. */
const showOnly: Check = ({ value }) => (isPlaceholder(value) ? { severity: 'low', validity: 'malformed' } : {});

const notPublished: Check = ({ value }) => (isPublished(value) ? undefined : {});

const testOnly: Check = ({ value }) => (/test|sandbox/i.test(value) ? { severity: 'medium' } : {});

/** Kubernetes' Secret: some value of `data` that is no template. */
const kubernetes: Check = ({ value }) => {
  const encoded = /[A-Za-z0-9+/]{8,}={0,2}["']?\s*$/.exec(value)?.[0] ?? '';
  const text = decode(encoded);
  // Of a document, a word in it says nothing about the rest.
  return text.length <= 40 && isPlaceholder(text) ? undefined : {};
};

/** A curl call's `-u user:password`. */
const curlUser: Check = ({ value }) => {
  const text = value.replaceAll(/["']/g, '');
  const colon = text.indexOf(':');
  const secret = text.slice(colon + 1) || text.slice(0, colon);
  if (colon < 0 || secret.length < 3 || /[<>[\]]|\$[\w({]|\{\{/.test(text.replaceAll(/\$\d/g, ''))) return undefined;
  const bare = secret.replace(/^\{([^{}]*)\}$/, '$1');
  if (/^\$\w+$/.test(secret) || isPlaceholder(bare) || weak.test(bare)) return undefined;
  return {};
};

/** A key of PKCS#8 or PKCS#1 that is no text: its first bytes say so, the rest is not looked at. */
const wellFormed: Check = () => ({ validity: 'well-formed' });

export const checks = {
  crc62,
  basic,
  'base64-secret': base64Secret,
  url,
  password,
  'aws-key': awsKey,
  'test-only': testOnly,
  'show-only': showOnly,
  'not-published': notPublished,
  kubernetes,
  'curl-user': curlUser,
  'well-formed': wellFormed,
  generic: judgeGeneric,
  'generic-password': judgePassword,
  jwt: judgeJwt,
  'private-key': judgePrivateKey,
} as const satisfies Readonly<Record<string, Check>>;

export type CheckName = keyof typeof checks;
