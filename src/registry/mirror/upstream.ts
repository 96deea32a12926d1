import { z } from 'zod';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import type { ClientSession } from '../../oci/client-session.ts';
import { algorithmOf, isContentDigest, type ContentDigest } from '../../oci/content-digest.ts';
import { maxManifestBytes, parseWireManifest } from '../../oci/manifest.ts';
import { manifestMediaTypes } from '../../oci/media-types.ts';
import { readAnswer, type HttpResponse } from '../../oci/transport.ts';
import type { StoredManifest } from '../catalog.ts';
import type { ManifestReference } from '../route.ts';
import { found, type NotFound, type Outcome } from './outcome.ts';
import { afterFailure, patient, retryAfterMs, waitMs, whileAsking, type Patience } from './patience.ts';

/** The registry that is mirrored. What it gives is checked here, but for the bytes of a blob. Each call has a deadline of its own. */
export type Upstream = Disposable & {
  manifest(repository: string, reference: ManifestReference): Promise<Outcome<StoredManifest>>;
  /** What the tag is there; undefined when it does not say without giving the whole manifest. */
  digestOf(repository: string, tag: string): Promise<Outcome<ContentDigest | undefined>>;
  blobSize(repository: string, digest: ContentDigest): Promise<Outcome<number | undefined>>;
  /** The answer's body is the blob, unchecked; read it to its end or destroy it. */
  blob(repository: string, digest: ContentDigest): Promise<Outcome<HttpResponse>>;
  tags(repository: string, query: URLSearchParams): Promise<Outcome<{ readonly tags: readonly string[]; readonly more: boolean }>>;
  referrers(repository: string, digest: ContentDigest, query: URLSearchParams): Promise<Outcome<Buffer>>;
};

export type UpstreamLimits = { readonly callMs: number; readonly idleMs: number; readonly blobMs: number };

const accept = manifestMediaTypes.join(', ');
const largestList = 4 * 1024 * 1024;
const tagList = z.object({ tags: z.array(z.string().max(128)).max(100_000).nullish() });

/**
 * @param sessions one for calls and one for blobs, so that a tag does not wait behind layers
 * @param now milliseconds since the epoch
 */
export function openUpstream(options: {
  readonly calls: ClientSession & Disposable;
  readonly blobs: ClientSession & Disposable;
  readonly limits: UpstreamLimits;
  readonly now: () => number;
  /** It answers for the first time, has stopped, or has begun again. */
  readonly onChange: (state: { readonly answers: boolean; readonly why: string }) => void;
}): Upstream {
  const { limits, now } = options;
  let patience: Patience = patient;
  let answered: boolean | undefined;
  const note = (answers: boolean, why: string) => {
    if (answered === answers) return;
    answered = answers;
    options.onChange({ answers, why });
  };

  const failed = (why: string, askedMs?: number): NotFound => {
    note(false, why);
    patience = afterFailure(patience, why, askedMs, now());
    return { kind: 'down', why, retryMs: waitMs(patience, now()) };
  };

  /** One request, once: who waits for it has a cache, or another place to go to. */
  async function ask(
    method: 'GET' | 'HEAD',
    repository: string,
    path: string,
    asked: { readonly accept?: string; readonly blob?: boolean } = {},
  ): Promise<Outcome<HttpResponse>> {
    const left = waitMs(patience, now());
    if (left > 0) return { kind: 'down', why: patience.why, retryMs: left };
    patience = whileAsking(patience, now());
    let response: HttpResponse;
    try {
      response = await (asked.blob ? options.blobs : options.calls).call({
        method,
        path: `/v2/${repository}/${path}`,
        repository,
        action: 'pull',
        repeatable: false,
        timeoutMs: asked.blob ? limits.blobMs : limits.callMs,
        ...(asked.accept === undefined ? {} : { headers: { accept: asked.accept } }),
      });
    } catch (error) {
      if (isWaybillError(error, 'UNAUTHENTICATED')) return { kind: 'refused', why: error.detail };
      // It points to an address that is not public.
      if (isWaybillError(error, 'FORBIDDEN')) return { kind: 'wrong', why: error.detail };
      return failed(detailOf(error));
    }
    const { status } = response;
    if (status === 429 || status === 503) {
      response.body.destroy();
      return failed(`status ${status}`, retryAfterMs(response.headers['retry-after'], now()));
    }
    note(true, `status ${status}`);
    patience = patient;
    if (status === 200) return found(response);
    response.body.destroy();
    if (status === 404) return { kind: 'missing' };
    if (status === 401 || status === 403) return { kind: 'refused', why: `status ${status}` };
    return status >= 500 ? { kind: 'down', why: `status ${status}` } : { kind: 'wrong', why: `status ${status}` };
  }

  async function read(response: HttpResponse, limit: number): Promise<Outcome<Buffer>> {
    try {
      return found(await readAnswer(response, limit));
    } catch (error) {
      response.body.destroy();
      return isWaybillError(error, 'LIMIT_EXCEEDED') ? { kind: 'wrong', why: error.detail } : { kind: 'down', why: detailOf(error) };
    }
  }

  return {
    async manifest(repository, reference) {
      const name = 'tag' in reference ? reference.tag : reference.digest;
      const answer = await ask('GET', repository, `manifests/${name}`, { accept });
      if (answer.kind !== 'found') return answer;
      const response = answer.value;
      const body = await read(response, maxManifestBytes);
      if (body.kind !== 'found') return body;
      return checked(body.value, response, reference);
    },
    async digestOf(repository, tag) {
      const answer = await ask('HEAD', repository, `manifests/${tag}`, { accept });
      // Some know no HEAD here: what it is comes with the manifest.
      if (answer.kind === 'wrong') return found(undefined);
      if (answer.kind !== 'found') return answer;
      answer.value.body.resume();
      const said = String(answer.value.headers['docker-content-digest'] ?? '');
      return found(isContentDigest(said) ? said : undefined);
    },
    async blobSize(repository, digest) {
      const answer = await ask('HEAD', repository, `blobs/${digest}`);
      if (answer.kind !== 'found') return answer;
      answer.value.body.resume();
      return found(sizeOf(answer.value));
    },
    blob: (repository, digest) => ask('GET', repository, `blobs/${digest}`, { blob: true }),
    async tags(repository, query) {
      const answer = await ask('GET', repository, `tags/list?${query}`);
      if (answer.kind !== 'found') return answer;
      const body = await read(answer.value, largestList);
      if (body.kind !== 'found') return body;
      const parsed = tagList.safeParse(parseJson(body.value));
      if (!parsed.success) return { kind: 'wrong', why: 'its list of tags cannot be read' };
      return found({ tags: parsed.data.tags ?? [], more: answer.value.headers.link !== undefined });
    },
    async referrers(repository, digest, query) {
      const answer = await ask('GET', repository, `referrers/${digest}?${query}`);
      return answer.kind === 'found' ? await read(answer.value, largestList) : answer;
    },
    [Symbol.dispose]() {
      options.calls[Symbol.dispose]();
      options.blobs[Symbol.dispose]();
    },
  };
}

/** Undefined when the answer does not say it. */
export function sizeOf(response: HttpResponse): number | undefined {
  const length = response.headers['content-length'];
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/** The content is hashed here, whatever the server says that it is. */
function checked(bytes: Buffer, response: HttpResponse, reference: ManifestReference): Outcome<StoredManifest> {
  const wrong = (why: string): NotFound => ({ kind: 'wrong', why });
  const declared = response.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  const algorithm = 'digest' in reference ? algorithmOf(reference.digest) : 'sha256';
  try {
    const manifest = parseWireManifest(
      bytes,
      declared !== undefined && manifestMediaTypes.includes(declared) ? declared : undefined,
      algorithm,
    );
    const { digest, mediaType } = manifest;
    if ('digest' in reference && digest !== reference.digest) return wrong(`it is ${digest}, not ${reference.digest}`);
    const said = response.headers['docker-content-digest'];
    if (typeof said === 'string' && said.startsWith(`${algorithm}:`) && said !== digest)
      return wrong(`it is ${digest}, and was said to be ${said.slice(0, 140)}`);
    return found({ digest, mediaType, bytes });
  } catch (error) {
    if (error instanceof WaybillError) return wrong(error.detail);
    throw error;
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

const detailOf = (error: unknown): string => (isWaybillError(error) ? error.detail : messageOf(error)).slice(0, 300);
