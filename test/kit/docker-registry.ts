import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../../scripts/demo/stand.ts';
import { findProgram } from './needs.ts';

export const username = 'waybill';
export const password = 'a password of the company';
/** bcrypt of that password. */
const htpasswd = `${username}:$2b$05$abcdefghijklmnopqrstuuj0nBWfzJP8ntQNDOrrJg.bZdEAmEF1y\n`;

/** Debian's docker-registry, which has no referrers API, behind a name and a password. */
export async function companyRegistry(scratch: string): Promise<AsyncDisposable & { host: string }> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const config = path.join(scratch, 'company.yml');
  await writeFile(path.join(scratch, 'htpasswd'), htpasswd);
  await writeFile(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: path.join(scratch, 'company') } },
      http: { addr: host },
      auth: { htpasswd: { realm: 'company', path: path.join(scratch, 'htpasswd') } },
    }),
  );
  const child = spawn((await findProgram('docker-registry')) ?? 'docker-registry', ['serve', config], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for (let tries = 0; tries < 100; tries++) {
    const up = await fetch(`http://${host}/v2/`).then(
      (answer) => answer.status === 401,
      () => false,
    );
    if (up) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    host,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
