import { readFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { CliContext } from '../cli/context.ts';
import { runCli } from '../cli/program.ts';
import { loginFile } from './login-file.ts';
import { registryLogins } from './registry-logins.ts';

/** The one place where the command line meets the process: environment, streams, signals, status. */
const environment = process.env;
const interrupted = new AbortController();
let asked = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    asked += 1;
    interrupted.abort(new Error(`stopped by ${signal}`));
    // Somebody who asks three times does not want to wait for the cleaning up.
    if (asked >= 3) process.exit(130);
  });
}

const pipeClosed = (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
};
process.stdout.on('error', pipeClosed);

const packageFile = path.join(import.meta.dirname, '..', '..', 'package.json');
const version = (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version;
const login = loginFile(environment);

const context: CliContext = {
  cwd: process.cwd(),
  version,
  colour: process.stdout.isTTY && environment['NO_COLOR'] === undefined && environment['TERM'] !== 'dumb',
  interactive: process.stdin.isTTY,
  signal: interrupted.signal,
  out: (line) => void process.stdout.write(`${line}\n`),
  note: (line) => void process.stderr.write(`${line}\n`),
  readStdin: () => text(process.stdin),
  stdin: () => process.stdin,
  exitWith: (status) => {
    process.exitCode = status;
  },
  client: async () => (await import('../api/client.ts')).connectApi(await login.load()),
  credentials: () => login.load(),
  login,
  registryLogins: registryLogins(environment),
  data: environment['WAYBILL_DATA'] ?? path.join(environment['HOME'] ?? '.', '.waybill'),
  advisories: path.join(environment['XDG_CACHE_HOME'] || path.join(environment['HOME'] ?? '.', '.cache'), 'waybill', 'advisories'),
  // Loaded when they are needed: `waybill lint` shall not wait for a Kubernetes client.
  processes: {
    init: async (options) => (await import('./init.ts')).init(options),
    server: async (options) => (await import('./server.ts')).server({ ...options, environment, version }),
    signer: async (options) => (await import('./signer.ts')).signer(options),
    admission: async (options) => (await import('./admission.ts')).admission(options),
    registryServe: async (options) => (await import('./registry-serve.ts')).registryServe(options),
    applyPullSecret: async (options) => (await import('./apply-pull-secret.ts')).applyPullSecret(options),
    backup: async (options) => (await import('./backup.ts')).backup(options),
    restore: async (options) => (await import('./backup.ts')).restore(options),
    updateAdvisories: async (options) => (await import('./update-advisories.ts')).updateAdvisories(options),
    buildImages: async (options) => (await import('./build-local.ts')).buildLocal({ ...options, environment }),
    runLocal: async (options) => (await import('./run-local.ts')).runLocal({ ...options, environment }),
  },
};

await runCli(process.argv.slice(2), context);
// Nothing may keep a finished command alive; the streams are drained first.
process.stdout.write('', () => process.stderr.write('', () => process.exit()));
