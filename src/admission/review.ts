import { WaybillError } from '../kernel/error.ts';
import type { Digest } from '../kernel/digest.ts';
import type { ImageUse } from '../policy/image-use.ts';
import { policyFor, type EvidencePolicy, type PolicySet } from '../policy/evidence-policy.ts';
import { renderVerdict, renderWarning } from '../policy/render.ts';
import type { Verdict } from '../policy/verdict.ts';
import { imagesOf, type CustomWorkload, type Images } from './images.ts';
import { getPath, getText, get } from './json.ts';
import { digestsOf, judgeObject, type KnowledgeSource } from './judge-object.ts';
import { admissionReviewSchema, type AdmissionAnswer, type AdmissionRequest } from './schema.ts';
import { describeSubject } from './subject.ts';

export type ReviewContext = {
  readonly policies: PolicySet;
  readonly source: KnowledgeSource;
  readonly now: Date;
  readonly customWorkloads?: readonly CustomWorkload[];
  readonly signal?: AbortSignal;
};

/** `judged`: the rules were asked. The others say why they were not. */
export type Scope = 'judged' | 'exempt' | 'unchanged' | 'operation' | 'no-images' | 'malformed';

/** One decision of the gate, for the log and the background. */
export type AdmissionRecord = {
  readonly uid: string;
  readonly operation: string;
  readonly group: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly user?: string;
  readonly dryRun: boolean;
  readonly scope: Scope;
  readonly verdict: Verdict;
  readonly digests: readonly Digest[];
};

export type Reviewed = { readonly answer: AdmissionAnswer; readonly record: AdmissionRecord };

const allowed: Verdict = { decision: 'allow', reasons: [] };
const maxWarnings = 10;

/**
 * Answers one AdmissionReview v1. CREATE and UPDATE are judged; DELETE and CONNECT start no image and are allowed.
 * Which policy holds is decided by `request.namespace`, which the API server sets, never by the object.
 * @throws WaybillError INVALID_INPUT when there is no `request.uid` to answer to
 */
export async function reviewAdmission(review: unknown, context: ReviewContext): Promise<Reviewed> {
  const parsed = admissionReviewSchema.safeParse(review);
  if (!parsed.success)
    return refuseReview(review, parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
  const { request } = parsed.data;
  const custom = context.customWorkloads ?? [];
  const namespace = request.namespace === '' ? undefined : request.namespace;
  const policy = policyFor(context.policies, namespace);

  if (request.operation === 'DELETE' || request.operation === 'CONNECT') return reply(request, 'operation', allowed, []);
  if (policy === 'exempt') return reply(request, 'exempt', allowed, []);

  const images = readImages(request, custom);
  const open = request.operation === 'UPDATE' ? changed(request, images, custom) : images;
  if (open === undefined) return reply(request, 'unchanged', allowed, images.uses);
  if (open.kind === 'other' && open.unread.length === 0 && open.problems.length === 0) return reply(request, 'no-images', allowed, []);

  const knowledge = await context.source.knowledge(wantedDigests(open.uses, policy), context.signal);
  return reply(request, 'judged', judgeObject(open, policy, knowledge, context.now), images.uses);
}

/** The images of the request's object, read as the kind that the API server says it is. */
function readImages(request: AdmissionRequest, custom: readonly CustomWorkload[]): Images {
  const claimed = getText(request.object, 'kind');
  if (claimed !== undefined && claimed !== request.kind.kind) {
    return {
      kind: 'workload',
      uses: [],
      problems: [{ at: 'kind', problem: `The object says another kind than the request (${request.kind.kind}).` }],
      unread: [],
    };
  }
  return imagesOf(request.object, request.kind, custom);
}

/**
 * What of an UPDATE is to be judged; nothing when it changes no image, so that finalizers, labels and status go through
 * also when an image has become bad. In a Pod, what runs already runs: only the new and changed images are judged there.
 */
function changed(request: AdmissionRequest, images: Images, custom: readonly CustomWorkload[]): Images | undefined {
  if (images.problems.length > 0) return images;
  const old = imagesOf(request.oldObject, request.kind, custom);
  if (old.problems.length > 0) return images;
  const before = new Map(old.uses.map((use) => [use.at, use.text]));
  const fresh = images.uses.filter((use) => before.get(use.at) !== use.text);
  const sameUnread = JSON.stringify(images.unread) === JSON.stringify(old.unread);
  if (fresh.length === 0 && images.uses.length === old.uses.length && sameUnread) return undefined;
  const isPod = request.kind.group === '' && request.kind.kind === 'Pod';
  return isPod && fresh.length > 0 ? { ...images, uses: fresh } : images;
}

/** Looking for a digest is worth it only where the answer could be yes. */
function wantedDigests(uses: readonly ImageUse[], policy: EvidencePolicy): readonly Digest[] {
  const hosts = new Set([...policy.registry, ...(policy.copies ?? []).map((copy) => copy.registry)].map((entry) => entry.split('/', 1)[0]));
  return digestsOf(uses.filter((use) => use.reference !== undefined && hosts.has(use.reference.registry)));
}

function reply(request: AdmissionRequest, scope: Scope, verdict: Verdict, uses: readonly ImageUse[]): Reviewed {
  const digests = digestsOf(uses);
  const denied = verdict.decision === 'deny';
  const warnings = verdict.decision === 'warn' ? verdict.reasons.slice(0, maxWarnings).map(renderWarning) : [];
  const namespace = request.namespace === '' ? undefined : request.namespace;
  const subject = describeSubject(request.object, request.kind.kind, namespace, request.name);
  const name = request.name ?? getText(get(request.object, 'metadata'), 'name');
  const user = request.userInfo?.username;
  return {
    answer: {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: {
        uid: request.uid,
        allowed: !denied,
        ...(denied ? { status: { code: 403, reason: 'Forbidden', message: renderVerdict(verdict, subject) } } : {}),
        ...(warnings.length > 0 ? { warnings } : {}),
        auditAnnotations: {
          decision: verdict.decision,
          scope,
          ...(digests.length > 0 ? { digests: listed(digests) } : {}),
          ...(verdict.reasons.length > 0 ? { rules: [...new Set(verdict.reasons.map((reason) => reason.rule))].join(',') } : {}),
        },
      },
    },
    record: {
      uid: request.uid,
      operation: request.operation,
      group: request.kind.group,
      kind: request.kind.kind,
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
      ...(user === undefined ? {} : { user }),
      dryRun: request.dryRun === true,
      scope,
      verdict,
      digests,
    },
  };
}

/** A review that is not what the specification says is denied, under the uid that it came with. */
function refuseReview(review: unknown, why: string): Reviewed {
  const uid = getPath(review, ['request', 'uid']);
  if (typeof uid !== 'string' || uid === '' || uid.length > 253)
    throw new WaybillError('INVALID_INPUT', `no AdmissionReview v1: ${why.slice(0, 500)}`);
  const reason = {
    rule: 'object',
    message: `The request is no AdmissionReview v1 (${why.slice(0, 500)}).`,
    fix: 'Check the webhook configuration: admissionReviewVersions is [v1].',
  };
  const request: AdmissionRequest = {
    uid,
    kind: { group: '', version: '', kind: 'request' },
    operation: 'CREATE',
    object: undefined,
    oldObject: undefined,
  };
  return reply(request, 'malformed', { decision: 'deny', reasons: [reason] }, []);
}

function listed(digests: readonly Digest[]): string {
  const shown = digests.slice(0, 20).join(',');
  return digests.length > 20 ? `${shown},+${digests.length - 20}` : shown;
}
