import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { engineContract } from './engine.contract.ts';
import { engineNames } from './engine.ts';
import { findEngines } from './find-engine.ts';
import { startDocker } from '../../../test/kit/docker.ts';

const folder = await mkdtemp(join(tmpdir(), 'waybill-canary-'));
after(() => rm(folder, { recursive: true, force: true }));
const canary = { folder, file: join(folder, 'auth.json'), text: 'canary-of-this-host' };
await writeFile(canary.file, JSON.stringify({ auths: { 'r.example': { auth: canary.text } } }));
process.env['REGISTRY_AUTH_FILE'] = canary.file;
process.env['NPM_TOKEN'] = canary.text;

const docker = await startDocker();
if (typeof docker !== 'string') after(() => docker[Symbol.asyncDispose]());

const { answers, refusals } = await findEngines({
  environment: typeof docker === 'string' ? process.env : { ...process.env, ...docker.environment },
  confinedOnly: false,
  openNetwork: () => Promise.reject(new Error('no build here asks for a network')),
  signal: AbortSignal.timeout(30_000),
});
const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((file) => existsSync(file));

for (const name of engineNames) {
  const engine = answers.find((each) => each.name === name);
  const why =
    busybox === undefined
      ? 'there is no static busybox (Debian: busybox-static)'
      : [...(typeof docker === 'string' ? [`docker: ${docker}`] : []), ...refusals].find((each) => each.startsWith(`${name}:`));
  if (engine && busybox !== undefined) engineContract(engine, await readFile(busybox), canary);
  else
    test(`${name} builds Dockerfiles`, (t) => {
      // oxlint-disable-next-line no-console -- a skipped test must be loud
      console.warn(`SKIPPED: Dockerfiles were not built with ${name}: ${why}`);
      t.skip(why);
    });
}
