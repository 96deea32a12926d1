import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { endpoints } from '../../src/api/endpoints.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { attacks } from './attacks.ts';
import { giveAdvisories } from './advisories.ts';
import { makePerson, must, type Person } from './person.ts';
import type { Screen } from './screen.ts';
import { freePort, start } from './stand.ts';
import { story, type Told } from './story.ts';
import type { Place, Stage } from './world.ts';

export type PlayOptions = {
  readonly screen: Screen;
  readonly root: string;
  /** Must not exist or be empty. */
  readonly data: string;
  readonly scratch: string;
  readonly place: Place;
  readonly signal: AbortSignal;
  /** Called when the server runs and before the story: registers the gate in a cluster. */
  prepare?(stage: Stage): Promise<void>;
  /** Where lines of the server's log go. */
  onServerLog?(line: string): void;
};

export type Played = { readonly stage: Stage; readonly told: Told; readonly server: { kill(signal: NodeJS.Signals): Promise<void> } };

/** Starts a Waybill in `data`, plays the story and the attacks, and leaves the server running until the stack is disposed. */
export async function play(options: PlayOptions, stack: AsyncDisposableStack): Promise<Played> {
  const { screen, root, data, scratch, place, signal } = options;
  screen.heading('A Waybill of its own');
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const url = `http://${host}`;
  await mkdir(scratch, { recursive: true });
  const person = (id: string, token: Secret): Promise<Person> =>
    makePerson({ id, token, url, folder: path.join(scratch, id), root, signal });

  let admin: Person | undefined;
  await screen.act('init', 'waybill init: data directory, keys, the first administrator', async () => {
    const nobody = await makePerson({ id: 'nobody', token: new Secret(''), url, folder: scratch, root, signal });
    const text = await must(nobody.waybill('--json', 'init', '--data', data, '--port', String(port), '--email', 'admin@shop.example'));
    admin = await person('admin', new Secret((JSON.parse(text) as { token: string }).token));
    await giveAdvisories(data, scratch, signal);
    return data;
  });
  if (!admin) throw new Error('no administrator');
  const boss = admin;

  let server: Awaited<ReturnType<typeof start>> | undefined;
  await screen.act('server', 'waybill server: git, API, registry, engine; the signer in a process of its own', async () => {
    server = await start({
      root,
      args: ['server', '--data', data],
      env: { WAYBILL_LOG: 'warn' },
      ready: /listens on/,
      ...(options.onServerLog ? { log: options.onServerLog } : {}),
    });
    return url;
  });
  if (!server) throw new Error('no server');
  const running = stack.use(server);

  const people = new Map<string, Person>();
  await screen.act('people', 'Dana develops, Rita and Sam review; a repository; an environment', async () => {
    for (const [id, role] of [
      ['dana', 'developer'],
      ['rita', 'reviewer'],
      ['sam', 'reviewer'],
    ] as const) {
      await boss.api.call(endpoints.addPerson, { body: { id, role, emails: [`${id}@shop.example`] } });
      const { token } = await boss.api.call(endpoints.createToken, { body: { person: id, label: 'demo' } });
      people.set(id, await person(id, new Secret(token)));
    }
    await must(boss.waybill('repo', 'add', 'shop'));
    const where = place.kind === 'local' ? ['--local'] : ['--kubeconfig', place.kubeconfig, '--namespace', place.namespace];
    return must(boss.waybill('environment', 'add', 'demo', ...where));
  });
  const of = (id: string): Person => {
    const found = people.get(id);
    if (!found) throw new Error(`nobody is called ${id}`);
    return found;
  };
  const stage: Stage = {
    screen,
    root,
    data,
    scratch,
    url,
    host,
    place,
    signal,
    admin: boss,
    dana: of('dana'),
    rita: of('rita'),
    sam: of('sam'),
  };
  await options.prepare?.(stage);
  const told = await story(stage);
  await attacks(stage, told);

  screen.heading('Why is it there?');
  await screen.act('trace', `waybill trace ${told.workload}`, async () => must(stage.dana.waybill('trace', told.workload)), {
    fatal: false,
  });
  return { stage, told, server: running };
}
