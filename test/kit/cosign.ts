import { execa } from 'execa';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Outcome, Person } from '../../scripts/demo/person.ts';
import { findProgram, skip } from './needs.ts';

export type Cosign = { readonly version: 2 | 3; run(...args: string[]): Promise<Outcome> };

/** Distributions build cosign without a version number; verify's --new-bundle-format is an option of 2 alone. */
async function versionOf(program: string): Promise<2 | 3> {
  const { all } = await execa(program, ['verify-attestation', '--help'], { reject: false, timeout: 60_000, all: true });
  return all.includes('--new-bundle-format') ? 2 : 3;
}

/** The real cosign 2 or 3 (WAYBILL_COSIGN2, WAYBILL_COSIGN3, or the one in PATH), logged in at a registry as somebody. */
export async function findCosign(t: TestContext, version: 2 | 3, login: { host: string; person: Person }): Promise<Cosign | undefined> {
  const named = await findProgram('cosign', `WAYBILL_COSIGN${version}`);
  if (named === undefined || (await versionOf(named)) !== version) {
    skip(t, `cosign ${version} is neither in PATH nor in WAYBILL_COSIGN${version}`);
    return undefined;
  }
  const { host, person } = login;
  const home = path.join(person.folder, `cosign-${version}`);
  await mkdir(path.join(home, '.docker'), { recursive: true });
  const auth = Buffer.from(`${person.id}:${person.token.reveal()}`).toString('base64');
  await writeFile(path.join(home, '.docker', 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }), { mode: 0o600 });
  const env = { HOME: home, PATH: process.env['PATH'] ?? '' };
  return {
    version,
    async run(...args) {
      const done = await execa(named, args, { reject: false, timeout: 120_000, extendEnv: false, env, all: true });
      return { ok: done.exitCode === 0, text: done.all };
    },
  };
}
