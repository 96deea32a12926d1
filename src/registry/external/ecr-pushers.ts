import { z } from 'zod';
import { WaybillError } from '../../kernel/error.ts';
import type { Credentials } from './credential.ts';
import { callEcr } from './ecr.ts';
import type { Exchange } from './vendor-call.ts';

/** What a repository at Amazon says of itself. */
export type EcrRepository = {
  readonly repository: string;
  readonly immutableTags: boolean;
  /** Principals that its own policy lets push; `*` is everybody. Policies of users and roles are not here. */
  readonly pushers: readonly string[];
};

const page = z.object({
  repositories: z.array(z.object({ repositoryName: z.string(), imageTagMutability: z.string().optional() })),
  nextToken: z.string().nullish(),
});
const policyAnswer = z.object({ policyText: z.string() });
const oneOrMore = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());
const policy = z.object({
  Statement: z.union([z.array(z.unknown()), z.unknown().transform((one) => [one])]),
});
const statement = z.object({
  Effect: z.enum(['Allow', 'Deny']),
  Action: oneOrMore.optional(),
  NotAction: oneOrMore.optional(),
  Principal: z.union([z.string(), z.record(z.string(), oneOrMore)]).optional(),
  NotPrincipal: z.unknown().optional(),
});

/** Any of these is enough to change what is there. */
const pushing = ['ecr:PutImage', 'ecr:InitiateLayerUpload', 'ecr:UploadLayerPart', 'ecr:CompleteLayerUpload', 'ecr:SetRepositoryPolicy'];
const maxPages = 100;

/**
 * DescribeRepositories and GetRepositoryPolicy for all below the prefix.
 * @throws WaybillError FORBIDDEN when the key may not ask, REGISTRY_FAILED
 */
export async function ecrRepositories(
  server: string,
  credential: Credentials['ecr'],
  exchange: Exchange,
  prefix: string | undefined,
): Promise<EcrRepository[]> {
  const found: EcrRepository[] = [];
  let nextToken: string | undefined;
  for (let pages = 0; pages < maxPages; pages++) {
    const more = nextToken === undefined ? {} : { nextToken };
    const answer = page.parse(await ask(server, credential, exchange, 'DescribeRepositories', { maxResults: 100, ...more }));
    for (const { repositoryName, imageTagMutability } of answer.repositories) {
      if (prefix !== undefined && !repositoryName.startsWith(`${prefix}/`)) continue;
      const given = await ask(server, credential, exchange, 'GetRepositoryPolicy', { repositoryName });
      const pushers = given === undefined ? [] : pushersOf(policyAnswer.parse(given).policyText);
      found.push({ repository: repositoryName, immutableTags: imageTagMutability === 'IMMUTABLE', pushers });
    }
    if (typeof answer.nextToken !== 'string') return found;
    nextToken = answer.nextToken;
  }
  throw new WaybillError('LIMIT_EXCEEDED', `${server} has more than ${maxPages * 100} repositories`);
}

/**
 * Who an Allow of a repository policy lets push (IAM policy grammar). A Deny and a Condition are not weighed: what may be allowed is told as allowed.
 * What cannot be read counts as everybody.
 */
export function pushersOf(text: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return ['*'];
  }
  const parsed = policy.safeParse(value);
  if (!parsed.success) return ['*'];
  const principals = parsed.data.Statement.flatMap((each): string[] => {
    const one = statement.safeParse(each);
    if (!one.success) return ['*'];
    const { Effect, Action, NotAction, Principal, NotPrincipal } = one.data;
    if (Effect === 'Deny') return [];
    const lets =
      Action !== undefined ? pushing.some((action) => Action.some((pattern) => covers(pattern, action))) : NotAction !== undefined;
    if (!lets) return [];
    if (NotPrincipal !== undefined || Principal === undefined) return ['*'];
    return typeof Principal === 'string' ? [Principal] : Object.values(Principal).flat();
  });
  return [...new Set(principals)].sort();
}

/** `*` is any text, `?` any character; case plays no part (IAM "Action"). Goes back to the last star alone, so a hostile pattern costs nothing. */
function covers(pattern: string, action: string): boolean {
  const [glob, text] = [pattern.toLowerCase(), action.toLowerCase()];
  let star = -1;
  let from = 0;
  let at = 0;
  for (let index = 0; index < text.length;) {
    if (at < glob.length && (glob[at] === '?' || glob[at] === text[index]) && glob[at] !== '*') {
      at++;
      index++;
    } else if (glob[at] === '*') {
      star = at++;
      from = index;
    } else if (star >= 0) {
      at = star + 1;
      index = ++from;
    } else return false;
  }
  while (glob[at] === '*') at++;
  return at === glob.length;
}

async function ask(
  server: string,
  credential: Credentials['ecr'],
  exchange: Exchange,
  action: string,
  input: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const answer = await callEcr(server, credential, exchange, action, input);
  if (answer.status === 200) return answer.body;
  if (answer.code === 'RepositoryPolicyNotFoundException') return undefined;
  const denied = /AccessDenied/.test(answer.code);
  throw new WaybillError(
    denied ? 'FORBIDDEN' : 'REGISTRY_FAILED',
    `Amazon ECR did not answer ${action}: status ${answer.status} ${answer.code}`,
    {
      fix: `Let the access key ecr:${action}.`,
    },
  );
}
