import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../kernel/digest.ts';
import { temporaryFolder } from '../layers/test-build.ts';
import { findEngine, findEngines } from './find-engine.ts';
import type { EngineBuild, EngineName } from './engine.ts';
import { plainProgress } from './plain-progress.ts';

/**
 * buildctl and docker as their documentation describes them: small programs that write down how they were called, and answer what a
 * search for engines asks. What the real ones do with it, dockerfile.e2e.test.ts tells.
 */
async function withPrograms(programs: Readonly<Record<string, string>>) {
  const folder = await temporaryFolder();
  const bin = join(folder.path, 'bin');
  await mkdir(bin);
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const environment = {
    PATH: `${bin}:/nowhere`,
    DOCKER_HOST: 'unix:///sock',
    DOCKER_CONFIG: '/home/ada/.docker',
    NPM_TOKEN: 'hunter2',
    HOME: '/home/ada',
  };
  const options = {
    environment,
    confinedOnly: false,
    openNetwork: () => Promise.reject(new Error('no network is asked for')),
    signal: AbortSignal.timeout(20_000),
  };
  return { folder, options, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

const recorder = (log: string) => `for a in "$@"; do echo "$a" >>"${log}"; done; /usr/bin/env >"${log}.env"; echo working`;
const digest = digestOf('base');
const request = (work: string, more: Partial<EngineBuild> = {}): EngineBuild => ({
  work,
  context: '/w/c',
  dockerfile: '/w/d',
  ignoreFile: false,
  bases: [{ name: 'localhost/waybill-base-1', layout: '/w/b0', digest }],
  target: 'run',
  args: { WHO: 'a b; c' },
  secrets: [{ id: 'npmrc', file: '/w/k/0' }],
  network: 'none',
  time: new Date('1980-01-01T00:00:00Z'),
  platform: { os: 'linux', architecture: 'amd64' },
  out: '/w/o',
  signal: AbortSignal.timeout(20_000),
  onLine: () => undefined,
  ...more,
});

const common = ['WHO=a b; c', 'id=npmrc,src=/w/k/0', 'type=oci,tar=false,dest=/w/o', 'rewrite-timestamp=true'];
const engines: readonly [EngineName, Record<string, string>, readonly string[]][] = [
  [
    'buildkit',
    {
      buildctl:
        'case "$1 $2" in "debug workers") exit 0;; "--version "*) echo "buildctl github.com/moby/buildkit v0.13.2 abc"; exit 0;; esac; @',
    },
    [
      'build',
      'dockerfile.v0',
      'context=/w/c',
      'dockerfile=/w/d',
      'force-network-mode=none',
      'target=run',
      '--no-cache',
      `@${digest}`,
      '=/w/b0',
      'build-arg:SOURCE_DATE_EPOCH=315532800',
    ],
  ],
  [
    'docker',
    {
      docker:
        'case "$1 $2" in "version --format") echo 27.1.0; exit 0;; "buildx version") echo buildx; exit 0;; "info --format") echo \'[["driver-type","io.containerd.snapshotter.v1"]]\'; exit 0;; "context inspect") echo unix:///of-the-context; exit 0;; esac; @',
    },
    [
      'buildx',
      'build',
      '--network',
      'none',
      '--pull=false',
      '--provenance=false',
      '/w/d/Dockerfile',
      'run',
      `localhost/waybill-base-1=oci-layout:///w/b0@${digest}`,
      '/w/c',
    ],
  ],
];
for (const [name, programs, words] of engines) {
  test(`${name} is called as its documentation has it, with no login and nothing of the user's environment`, async () => {
    await using work = await temporaryFolder();
    const log = join(work.path, 'called');
    await using there = await withPrograms(
      Object.fromEntries(Object.entries(programs).map(([file, script]) => [file, script.replace('@', recorder(log))])),
    );
    const engine = await findEngine(there.options);
    assert.equal(engine.name, name);
    assert.equal(engine.confined, false);
    const lines: string[] = [];
    await engine.build(request(work.path, { onLine: (line) => lines.push(line) }));
    assert.deepEqual(lines, ['working']);
    const called = await readFile(log, 'utf8');
    for (const word of [...common, ...words]) assert.ok(called.includes(word), `${word} in\n${called}`);
    const environment = await readFile(`${log}.env`, 'utf8');
    assert.doesNotMatch(environment, /hunter2|ada/);
    assert.match(environment, new RegExp(`^DOCKER_CONFIG=${work.path}/docker$`, 'm'));
    assert.deepEqual(JSON.parse(await readFile(join(work.path, 'docker', 'config.json'), 'utf8')).auths, {});
  });

  test(`${name} is given no filtered network, is no engine of a server, and its failure is what it said last`, async () => {
    await using work = await temporaryFolder();
    await using there = await withPrograms(
      Object.fromEntries(
        Object.entries(programs).map(([file, script]) => [file, script.replace('@', 'echo one; echo "the step failed" >&2; exit 3')]),
      ),
    );
    const engine = await findEngine(there.options);
    await assert.rejects(engine.build(request(work.path, { network: 'filtered' })), { code: 'UNSUPPORTED' });
    await assert.rejects(
      engine.build(request(work.path)),
      (error: Error & { code?: string }) => error.code === 'BUILD_FAILED' && /the step failed/.test(error.message),
    );
    await assert.rejects(findEngine({ ...there.options, confinedOnly: true }), { code: 'MISSING_PROGRAM' });
  });
}

test('an engine that is there and does not answer is passed over, and says why', async () => {
  await using there = await withPrograms({
    buildctl: 'echo "cannot connect to the daemon" >&2; exit 1',
    docker: 'echo "daemon is down" >&2; exit 1',
  });
  const { answers, refusals } = await findEngines(there.options);
  assert.deepEqual(answers, []);
  assert.match(
    refusals.join('\n'),
    /buildah: not installed\npodman: not installed\nbuildkit: cannot connect to the daemon\ndocker: daemon is down/,
  );
  await assert.rejects(findEngine(there.options), { code: 'MISSING_PROGRAM' });
});

test('a build that is cancelled ends its engine', async () => {
  await using work = await temporaryFolder();
  await using there = await withPrograms({
    buildctl: `case "$1 $2" in "debug workers"|"--version "*) exit 0;; esac; echo started; exec /bin/sleep 60`,
  });
  const engine = await findEngine(there.options);
  const stop = new AbortController();
  await assert.rejects(engine.build(request(work.path, { signal: stop.signal, onLine: () => stop.abort() })), { code: 'CANCELLED' });
});

test("docker is reached where the user's context has it, with the user's plug-ins and without the user's logins", async () => {
  await using work = await temporaryFolder();
  const log = join(work.path, 'called');
  const answers = `case "$1 $2" in "version --format") echo 27.1.0; exit 0;; "buildx version") echo buildx; exit 0;; "context inspect") echo unix:///of-the-context; exit 0;; "info --format") echo '[["driver-type","io.containerd.snapshotter.v1"]]'; exit 0;; esac; `;
  await using there = await withPrograms({ docker: answers + recorder(log) });
  for (const [own, host] of [
    [{ DOCKER_HOST: undefined }, 'unix:///of-the-context'],
    [{ DOCKER_HOST: 'tcp://10.0.0.1:2376' }, 'tcp://10.0.0.1:2376'],
  ] as const) {
    const engine = await findEngine({ ...there.options, environment: { ...there.options.environment, ...own } });
    await engine.build(request(work.path));
    assert.match(await readFile(`${log}.env`, 'utf8'), new RegExp(`^DOCKER_HOST=${host}$`, 'm'));
    assert.deepEqual(JSON.parse(await readFile(join(work.path, 'docker', 'config.json'), 'utf8')), {
      auths: {},
      cliPluginsExtraDirs: ['/home/ada/.docker/cli-plugins'],
    });
  }
});

test('docker with a store that writes no layouts, or without buildx, is passed over beforehand', async () => {
  for (const [answers, why] of [
    ['"buildx version") echo buildx; exit 0;; "info --format") echo null; exit 0;;', /docker: it has no containerd image store/],
    ['"buildx version") echo "no such command" >&2; exit 1;;', /docker: it has no buildx \(no such command\)/],
  ] as const) {
    await using there = await withPrograms({ docker: `case "$1 $2" in "version --format") echo 20.10.24; exit 0;; ${answers} esac` });
    const { answers: found, refusals } = await findEngines(there.options);
    assert.deepEqual(found, []);
    assert.match(refusals.join('\n'), why);
  }
});

test("what steps write is shown as they wrote it, and BuildKit's own words stay", () => {
  const table: readonly [string, string][] = [
    ['#7 0.213 compiling', 'compiling'],
    ['#12 10.04 #1 0.5 quoted', '#1 0.5 quoted'],
    ['#7 0.213 ', ''],
    ['#7 [2/3] RUN make', '#7 [2/3] RUN make'],
    ['#7 DONE 0.2s', '#7 DONE 0.2s'],
    ['ERROR: failed to solve', 'ERROR: failed to solve'],
  ];
  for (const [line, shown] of table) assert.equal(plainProgress(line), shown);
});
