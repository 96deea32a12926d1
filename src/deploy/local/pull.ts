import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import { loginsOf } from '../pull-secret.ts';
import type { ApplyOptions } from '../port.ts';
import type { Engine } from './engine.ts';
import type { LocalPod } from './translate.ts';

const timeoutMs = 10 * 60_000;

/** Pulls what the pods need. The credential is in a file of its own, mode 0600, that is gone when this returns or throws. */
export async function pullImages(podman: Engine, pods: readonly LocalPod[], folder: string, options: ApplyOptions): Promise<void> {
  const wanted = new Map(pods.flatMap((pod) => pod.images).map((image) => [image.reference, image]));
  await using auth = await authFile(folder, options);
  for (const { reference, policy } of wanted.values()) {
    if (!/^[a-zA-Z0-9[]/.test(reference))
      throw new WaybillError('INVALID_INPUT', `${JSON.stringify(reference.slice(0, 200))} is no image reference`);
    if (policy !== 'Always' && (await isPresent(podman, reference, options.signal))) continue;
    if (policy === 'Never')
      throw new WaybillError('ENGINE_FAILED', `the image ${reference} is not on this host, and its imagePullPolicy is Never`);
    options.onProgress?.(`pulling ${reference}`);
    const insecure = isLoopback(reference) ? ['--tls-verify=false'] : [];
    await podman.run(['pull', '--quiet', ...auth.args, ...insecure, reference], { signal: options.signal, timeoutMs });
  }
}

async function isPresent(podman: Engine, reference: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await podman.run(['image', 'exists', reference], { signal });
    return true;
  } catch (error) {
    if (isWaybillError(error, 'ENGINE_FAILED')) return false;
    throw error;
  }
}

async function authFile(folder: string, { pullSecret }: ApplyOptions): Promise<{ args: readonly string[] } & AsyncDisposable> {
  if (pullSecret === undefined) return { args: [], async [Symbol.asyncDispose]() {} };
  const own = await mkdtemp(join(folder, 'auth-'));
  const file = join(own, 'auth.json');
  await writeFile(file, loginsOf(pullSecret), { mode: 0o600 });
  return { args: ['--authfile', file], [Symbol.asyncDispose]: () => rm(own, { recursive: true, force: true }) };
}

/** A registry of this host speaks plain HTTP; every other one must have TLS. */
function isLoopback(reference: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?\//.test(reference);
}
