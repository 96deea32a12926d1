import { execa } from 'execa';
import type { Outcome } from './person.ts';

/** kubectl as an administrator of the cluster. */
export async function kubectl(
  place: { readonly kubeconfig: string },
  args: readonly string[],
  signal: AbortSignal,
  input?: string,
): Promise<Outcome> {
  const done = await execa('kubectl', ['--kubeconfig', place.kubeconfig, ...args], {
    reject: false,
    all: true,
    cancelSignal: signal,
    timeout: 60_000,
    ...(input === undefined ? {} : { input }),
  });
  return { ok: done.exitCode === 0, text: done.all };
}
