import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isWaybillError } from '../../kernel/error.ts';
import { Secret } from '../../kernel/secret.ts';
import { diffImages } from '../diff/diff-images.ts';
import { readLayer, type LayerContent } from '../diff/read-layer.ts';
import { platformsOf, readLayoutImage } from '../inspect/image-reader.ts';
import { buildImage } from '../layers/build-image.ts';
import type { BaseImage } from '../layers/build-context.ts';
import { contextOf, planned, tarOf, temporaryFolder } from '../layers/test-build.ts';
import type { PlannedDockerfile } from '../../plan/plan.ts';
import { buildDockerfile, type BuiltFromDockerfile } from './build-dockerfile.ts';
import type { DockerfileEngine } from './engine.ts';

type Given = {
  readonly files: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly dockerfile?: Partial<PlannedDockerfile>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly contextTime?: Date;
  readonly onLine?: (line: string) => void;
};

/** A file of this host that holds a login, which the environment of this process names. */
export type Canary = { readonly folder: string; readonly file: string; readonly text: string };

/** What every engine promises (engine.ts), on real ones. @param shell a static busybox */
export function engineContract(engine: DockerfileEngine, shell: Uint8Array, canary: Canary): void {
  const called = (what: string) => `${engine.name} ${engine.version}: ${what}`;

  async function build(given: Given) {
    const folder = await temporaryFolder();
    const tree = join(folder.path, 'tree');
    for (const [name, text] of Object.entries(given.files)) {
      await mkdir(join(tree, name, '..'), { recursive: true });
      await writeFile(join(tree, name), text);
    }
    for (const [name, target] of Object.entries(given.links ?? {})) await symlink(target, join(tree, name));
    const lines: string[] = [];
    const work = join(folder.path, 'w');
    const base = await busyboxBase(folder.path, shell);
    const { sandbox: _, ...context } = contextOf(tree, join(folder.path, 'out'), { signal: given.signal ?? AbortSignal.timeout(120_000) });
    const making = buildDockerfile(
      planned([], { network: 'none', timeoutMs: 120_000 }),
      { file: 'Dockerfile', context: '.', args: {}, secrets: [], ...given.dockerfile },
      {
        ...context,
        source: async () => tarOf(tree),
        base: (reference) => base(reference),
        ...(given.contextTime ? { contextTime: given.contextTime } : {}),
        engine,
        work,
        secrets: new Map(Object.entries(given.secrets ?? {}).map(([id, text]) => [id, new Secret(text)])),
        onLine(line) {
          lines.push(line);
          given.onLine?.(line);
        },
      },
    );
    return { folder, work, lines, making, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
  }

  test(called('stages, arguments, a target, an image to copy from, .dockerignore, and the base as it is'), async () => {
    const files = {
      Dockerfile: `ARG BASE
FROM \${BASE}:1 AS make
ARG WHO=nobody
RUN echo "made for $WHO" > /made && ln -s /made /link && chmod 751 /made
FROM busybox:1 AS run
COPY --from=make /made /link /app/
COPY --from=tools:2 /bin/busybox /app/tool
COPY . /src/
LABEL tier=shop
ENV MODE=fast
USER 65532
CMD ["/bin/cat", "/app/made"]
FROM scratch AS other
COPY kept /kept
`,
      '.dockerignore': 'dropped\n',
      dropped: 'no\n',
      kept: 'yes\n',
    };
    await using one = await build({ files, dockerfile: { target: 'run', args: { BASE: 'busybox', WHO: 'you' } } });
    const built = await one.making;
    const all = await filesOf(built);
    assert.equal(all.get('/src/kept')?.type, 'file');
    assert.equal(all.get('/src/dropped'), undefined);
    assert.equal(all.get('/kept'), undefined, 'another target');
    assert.equal(all.get('/app/made')?.mode, 0o751);
    assert.equal(all.get('/app/made')?.size, 'made for you\n'.length);
    for (const file of ['/app/made', '/src/kept']) assert.equal(all.get(file)?.mtime, '2026-11-01T12:00:00.000Z');
    const reader = await readLayoutImage(built.layout, 'shop');
    const [image] = await platformsOf(reader);
    assert.deepEqual(image?.config.config?.Labels, {
      'org.opencontainers.image.created': '2026-11-01T12:00:00Z',
      'org.opencontainers.image.revision': '1'.repeat(40),
      tier: 'shop',
    });
    assert.deepEqual(image?.config.config?.Cmd, ['/bin/cat', '/app/made']);
    assert.equal(image?.config.config?.User, '65532');
    assert.ok(image?.config.config?.Env?.includes('MODE=fast'));
    assert.equal(image?.rawConfig['created'], '2026-11-01T12:00:00Z');
    const base = await (await busyboxBase(one.folder.path, shell))('busybox:1');
    assert.deepEqual(built.manifests[0].manifest.layers[0], base.manifest.layers[0], 'the base’s layer is the very blob of the base');
    assert.deepEqual(
      built.bases.map((each) => each.reference),
      ['busybox:1', 'tools:2'],
    );
    assert.equal(built.manifests[0].manifest.annotations?.['org.opencontainers.image.revision'], '1'.repeat(40));
    assert.deepEqual(await readdir(one.folder.path).then((names) => names.includes('w')), false, 'nothing of the build is left');
  });

  test(called('equal inputs in another folder, with other file times, give equal digests'), async () => {
    const files = { Dockerfile: 'FROM busybox:1\nCOPY a /a\nRUN mkdir /d && echo b > /d/b\n', a: 'a\n' };
    await using one = await build({ files });
    await using other = await build({ files, contextTime: new Date('2001-02-03T04:05:06Z') });
    const [first, second] = [await one.making, await other.making];
    assert.equal(first.digest, second.digest);
  });

  test(called('what is not reproducible is found, with the file'), async () => {
    const files = { Dockerfile: 'FROM busybox:1\nRUN echo same > /a && cat /proc/sys/kernel/random/uuid > /x\n' };
    await using one = await build({ files });
    const first = await one.making;
    // One after the other, as `--check` does it: BuildKit runs equal steps of builds at the same time once, whatever it is told of caches.
    await using other = await build({ files });
    const second = await other.making;
    const { first: found } = await diffImages(await readLayoutImage(first.layout, 'shop'), await readLayoutImage(second.layout, 'shop'), {
      signal: AbortSignal.timeout(30_000),
    });
    assert.deepEqual(found, { platform: 'linux/amd64', layer: 1, path: '/x', what: 'content' });
  });

  test(called('a secret is there for the RUN that mounts it, and in nothing that comes out'), async () => {
    const secret = 'hunter2-is-the-secret';
    const files = {
      Dockerfile: `FROM busybox:1
RUN --mount=type=secret,id=token test "$(cat /run/secrets/token)" = ${'hunter2-is'}"-the-secret" && echo used > /used
RUN test ! -e /run/secrets/token && test ! -e /used.secret
`,
    };
    await using one = await build({ files, dockerfile: { secrets: ['token'] }, secrets: { token: secret } });
    const built = await one.making;
    assert.ok((await filesOf(built)).has('/used'));
    for (const blob of await blobsOf(built)) assert.ok(!blob.includes(secret));
    assert.ok(!one.lines.join('\n').includes(secret));
    await using without = await build({ files, dockerfile: { secrets: ['token'] } });
    await assert.rejects(without.making, /the build secret token .* was not given/);
  });

  test(called('nothing reaches the network, this host’s loopback included'), async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const tries = ['127.0.0.1', '10.0.2.2', 'localhost'].map((host) => `! wget -T 2 -q -O - http://${host}:${port}/`).join(' && ');
      const files = {
        Dockerfile: `FROM busybox:1\nRUN wget 2>&1 | grep -q BusyBox && ${tries} && cat /proc/net/route && awk 'NR>2{print "IF", $1}' /proc/net/dev\n`,
      };
      await using one = await build({ files });
      await one.making;
      assert.equal(connections, 0);
      assert.deepEqual(
        one.lines.filter((line) => line.startsWith('IF ')).filter((line) => !/IF (lo|sit0|tunl0|ip6tnl0):/.test(line)),
        [],
      );
      await using fetching = await build({ files: { Dockerfile: `FROM busybox:1\nADD http://127.0.0.1:${port}/x /x\n` } });
      await assert.rejects(fetching.making, /line 2: ADD fetches from the network/);
      assert.equal(connections, 0);
    } finally {
      server.close();
    }
  });

  test(called('no credential and no file of this host can be seen, neither by RUN nor through a link in the context'), async () => {
    const files = {
      Dockerfile: `FROM busybox:1
RUN env; find / -xdev \\( -name auth.json -o -name .docker -o -name 'config.json' -o -name '*.key' \\) ; ls -a /root /run/secrets /build ${canary.folder} 2>/dev/null; echo looked
RUN tr '\\0' '\\n' </proc/1/environ; ls /proc | grep -c '^[0-9]*$'
`,
    };
    await using one = await build({ files });
    await one.making;
    const said = one.lines.filter((line) => !/STEP|^#\d/.test(line)).join('\n');
    assert.match(said, /looked/);
    assert.ok(!said.includes(canary.text));
    assert.doesNotMatch(said, /auth\.json$|\.docker$|REGISTRY_AUTH_FILE|NPM_|TOKEN|SSH_/m);
    await using link = await build({
      files: { Dockerfile: 'FROM busybox:1\nCOPY link /stolen\n' },
      links: { link: canary.file },
    });
    const result = await link.making.catch((error: unknown) => error);
    if (!isWaybillError(result, 'BUILD_FAILED'))
      for (const blob of await blobsOf(result as BuiltFromDockerfile)) assert.ok(!blob.includes(canary.text));
  });

  test(called('RUN holds no capability over mounts and networks, and opens no device of this host'), async () => {
    const files = {
      Dockerfile: `FROM busybox:1
RUN grep CapBnd /proc/self/status && ! mount -t tmpfs none /bin && ! ip link set lo down
RUN if mknod /log c 1 11; then busybox dd if=/log of=/dev/null bs=8192 count=1 2>&1 | grep 'not permitted' && busybox rm /log; fi
`,
    };
    await using one = await build({ files });
    await one.making;
    const bounding = BigInt(`0x${/CapBnd:\s*([0-9a-f]+)/.exec(one.lines.join('\n'))?.[1] ?? 'f'}`);
    // Docker's own list of fourteen has these two, and BuildKit knows no way to take them: raw packets in an empty network, and nodes of
    // devices that the device cgroup lets nobody open.
    const daemons = engine.name === 'docker' || engine.name === 'buildkit' ? ['NET_RAW', 'MKNOD'] : [];
    for (const [name, bit] of [
      ['SYS_ADMIN', 21],
      ['NET_ADMIN', 12],
      ['NET_RAW', 13],
      ['SYS_PTRACE', 19],
      ['MKNOD', 27],
      ['SYS_MODULE', 16],
    ] as const)
      if (!daemons.includes(name)) assert.equal((bounding >> BigInt(bit)) & 1n, 0n, name);
  });

  test(called('a step that fails is told with what it said; a base that is hidden from us is not found by the engine either'), async () => {
    await using one = await build({ files: { Dockerfile: 'FROM busybox:1\nRUN echo "the shelf is empty" >&2; exit 7\n' } });
    await assert.rejects(
      one.making,
      (error: unknown) => isWaybillError(error, 'BUILD_FAILED') && /the shelf is empty[^]*7/.test(error.detail),
    );
    await using gone = await build({ files: { Dockerfile: 'FROM missing:1\n' } });
    await assert.rejects(gone.making, { code: 'NOT_FOUND' });
    // In a trigger, a name stays a name: it is only used by whoever builds upon this.
    await using hidden = await build({
      files: { Dockerfile: 'FROM busybox:1\nONBUILD COPY --from=docker.io/library/hidden:1 /a /b\nRUN echo fine\n' },
    });
    await hidden.making;
  });

  test(called('an abort ends everything'), async () => {
    const stop = new AbortController();
    await using one = await build({
      files: { Dockerfile: 'FROM busybox:1\nRUN echo it-has-begun && sleep 47114711\n' },
      signal: stop.signal,
      onLine: (line) => (line.startsWith('it-has-begun') ? stop.abort() : undefined),
    });
    await assert.rejects(one.making);
    assert.deepEqual(await processesWith('47114711'), []);
    assert.deepEqual(
      (await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((line) => line.includes(one.work)),
      [],
    );
    assert.ok(!(await readdir(one.folder.path)).includes('w'));
  });
}

/** Answers `busybox:1` and `tools:2`, two images of one shell. */
async function busyboxBase(folder: string, shell: Uint8Array): Promise<(reference: string) => Promise<BaseImage>> {
  const tree = await mkdtemp(join(folder, 'base-'));
  await mkdir(join(tree, 'bin'));
  await writeFile(join(tree, 'bin', 'busybox'), shell, { mode: 0o755 });
  const names = 'sh echo cat ls env find grep test mkdir ln chmod sleep wget awk tr mknod mount ip true'.split(' ');
  for (const name of names) await symlink('busybox', join(tree, 'bin', name));
  const layout = `${tree}.oci`;
  const built = await buildImage(planned([{ from: 'bin', to: '/bin' }], { config: { env: { PATH: '/bin' } } }), contextOf(tree, layout));
  const reader = await readLayoutImage(layout, 'shop');
  const [image] = await platformsOf(reader);
  await rm(tree, { recursive: true });
  return async (reference) => {
    const known = ['busybox:1', 'tools:2'].includes(reference);
    if (!known || !image) throw Object.assign(new Error(`no base ${reference}`), { code: 'NOT_FOUND' });
    const config = await readFile(join(layout, 'blobs', 'sha256', image.manifest.image.config.digest.slice(7)));
    return {
      resolved: built.digest,
      digest: built.digest,
      manifest: built.manifests[0].manifest,
      config,
      blob: (descriptor) => reader.blob(descriptor),
    };
  };
}

async function filesOf(built: BuiltFromDockerfile): Promise<LayerContent['files']> {
  const reader = await readLayoutImage(built.layout, built.name);
  const all = new Map<string, NonNullable<ReturnType<LayerContent['files']['get']>>>();
  for (const layer of built.manifests[0].manifest.layers) {
    const { files } = await readLayer(await reader.blob(layer), layer.mediaType, AbortSignal.timeout(30_000));
    for (const [path, file] of files) all.set(path, file);
  }
  return all;
}

/** Every blob of the image, layers unpacked as well. */
async function blobsOf(built: BuiltFromDockerfile): Promise<Buffer[]> {
  const { gunzipSync, zstdDecompressSync } = await import('node:zlib');
  const folder = join(built.layout, 'blobs', 'sha256');
  const blobs = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name))));
  return blobs.flatMap((blob) => {
    if (blob[0] === 0x1f && blob[1] === 0x8b) return [blob, gunzipSync(blob)];
    return blob.length > 4 && blob.readUInt32LE(0) === 0xfd2fb528 ? [blob, zstdDecompressSync(blob)] : [blob];
  });
}

async function processesWith(word: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(word));
}
