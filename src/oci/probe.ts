import { digestOf } from '../kernel/digest.ts';
import { isWaybillError, messageOf } from '../kernel/error.ts';
import type { Allowed, Probe } from './client-types.ts';
import type { Wire } from './wire.ts';

/** Nothing has this digest but nothing: asked for to see whether the API is there. */
const nobody = digestOf('');

/** Tries what a credential may do in a repository, and leaves nothing there. @throws WaybillError when the registry does not answer */
export async function probe(wire: Wire, repository: string, signal?: AbortSignal): Promise<Probe> {
  const pull = await allowed(async () => {
    const call = { method: 'GET', path: `/v2/${repository}/tags/list?n=1`, repository, action: 'pull', signal } as const;
    (await wire.expect(call, [200], `Listing the tags of ${repository}`)).body.resume();
  });
  const push = await allowed(() => tryUpload(wire, repository, signal));
  let referrers: boolean | undefined;
  await allowed(async () => {
    const call = { method: 'GET', path: `/v2/${repository}/referrers/${nobody}`, repository, action: 'pull', signal } as const;
    const response = await wire.expect(call, [200, 404, 405], `Asking for referrers in ${repository}`);
    response.body.resume();
    referrers = response.status === 200;
  });
  return { pull, push, ...(referrers === undefined ? {} : { referrers }) };
}

/** An upload that is begun and given up (distribution-spec "Pushing blobs", "Cancel a blob upload"). */
async function tryUpload(wire: Wire, repository: string, signal: AbortSignal | undefined): Promise<void> {
  const what = `Beginning an upload to ${repository}`;
  const start = { method: 'POST', path: `/v2/${repository}/blobs/uploads/`, repository, action: 'pull,push', signal } as const;
  const started = await wire.expect(start, [202], what);
  started.body.resume();
  const { location } = started.headers;
  if (location === undefined || !URL.canParse(location, started.url.href)) return;
  const cancel = { method: 'DELETE', path: new URL(location, started.url).href, repository, action: 'pull,push', signal } as const;
  try {
    // Some registries cannot give one up; it expires there.
    (await wire.expect(cancel, [200, 202, 204, 404, 405], what)).body.resume();
  } catch (error) {
    if (!isWaybillError(error)) throw error;
  }
}

async function allowed(attempt: () => Promise<void>): Promise<Allowed> {
  try {
    await attempt();
    return 'allowed';
  } catch (error) {
    if (isWaybillError(error, 'NOT_FOUND')) return 'missing';
    if (isWaybillError(error, 'UNAUTHENTICATED', 'FORBIDDEN')) return { refused: messageOf(error) };
    throw error;
  }
}
