import { execa } from 'execa';
import { giveAdvisories } from '../../scripts/demo/advisories.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { endpoints } from '../../src/api/endpoints.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { makePerson, type Person } from '../../scripts/demo/person.ts';
import { freePort, start, type Running } from '../../scripts/demo/stand.ts';

export const root = path.resolve(import.meta.dirname, '..', '..');

/** Longest time that one suite may take; a test that hangs ends by it, and its processes with it. */
const suiteLimitMs = 5 * 60_000;

/** A Waybill of its own: data directory, server process, four people with tokens. Disposing it ends and removes everything. */
export type Waybill = AsyncDisposable & {
  readonly scratch: string;
  readonly data: string;
  readonly url: string;
  readonly host: string;
  readonly signal: AbortSignal;
  readonly admin: Person;
  readonly dana: Person;
  readonly rita: Person;
  readonly sam: Person;
  /** The server's own lines, of all its lives. */
  readonly log: string[];
  /** The process id of the server that runs. */
  pid(): number;
  /** Ends the server and waits for it. */
  stop(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again, on the same data directory or on another that stands for it. */
  start(data?: string): Promise<void>;
  /** Somebody else with a token of one's own. */
  join(id: string, role: 'developer' | 'reviewer' | 'admin'): Promise<Person>;
};

export async function openWaybill(): Promise<Waybill> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'waybill-e2e-'));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  const data = path.join(scratch, 'data');
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const url = `http://${host}`;
  const ended = new AbortController();
  undo.defer(() => ended.abort(new Error('the suite is over')));
  const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(suiteLimitMs)]);
  const log: string[] = [];

  const made = await execa(
    path.join(root, 'bin', 'waybill'),
    ['init', '--json', '--data', data, '--port', String(port), '--email', 'admin@shop.example'],
    { timeout: 60_000, cancelSignal: signal },
  );
  const { token } = JSON.parse(made.stdout) as { token: string };
  await giveAdvisories(data, scratch, signal);
  const person = (id: string, secret: string): Promise<Person> =>
    makePerson({ id, token: new Secret(secret), url, folder: path.join(scratch, 'people', id), root, signal });

  let running: Running | undefined;
  const stop = async (by: NodeJS.Signals) => {
    await running?.kill(by);
    running = undefined;
  };
  const begin = async (folder: string) => {
    running = await start({
      root,
      args: ['server', '--data', folder],
      env: { WAYBILL_LOG: 'warn' },
      ready: /listens on/,
      log: (line) => void log.push(line),
    });
  };
  undo.defer(() => stop('SIGTERM'));
  await begin(data);

  const admin = await person('admin', token);
  const join = async (id: string, role: 'developer' | 'reviewer' | 'admin'): Promise<Person> => {
    await admin.api.call(endpoints.addPerson, { body: { id, role, emails: [`${id}@shop.example`] } });
    const minted = await admin.api.call(endpoints.createToken, { body: { person: id, label: 'test' } });
    return person(id, minted.token);
  };
  const [dana, rita, sam] = [await join('dana', 'developer'), await join('rita', 'reviewer'), await join('sam', 'reviewer')];
  const owned = undo.move();
  return {
    scratch,
    data,
    url,
    host,
    signal,
    admin,
    dana,
    rita,
    sam,
    log,
    join,
    stop,
    start: (folder = data) => begin(folder),
    pid() {
      if (running?.child.pid === undefined) throw new Error('no server runs');
      return running.child.pid;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
