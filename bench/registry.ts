/**
 * Registry: push and pull of one large blob, push of many small ones, HEAD and GET of small ones; Waybill's `registry serve --open`, Debian's
 * docker-registry and a bare server that only hashes and writes (bench/limits/), with one client, in one run, in turns. Prints medians and
 * their ratios. Waybill syncs a blob, its name and its row before it says 201; the bare server syncs the blob alone; docker-registry syncs nothing.
 * A push is two requests to a registry (POST, PUT) and one to the bare server.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const largeBytes = 500 * 2 ** 20;
const smallBytes = 4 * 2 ** 10;
const smallBlobs = 200;
const smallRequests = 3_000;
const atOnce = 8;
const rounds = 3;
const root = path.resolve(import.meta.dirname, '..');

type Server = AsyncDisposable & { readonly port: number; readonly pid: number };
type Content = { readonly digest: string; readonly size: number; read(): AsyncIterable<Buffer> | Buffer };
/** How each server takes and gives a blob. */
type Protocol = { put(content: Content): Promise<void>; pathOf(content: Content): string };
const agent = new Agent({ keepAlive: true, maxSockets: atOnce });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}

async function call(port: number, method: string, target: string, content?: Content, sink?: (chunk: Buffer) => void): Promise<Headers> {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    method,
    path: target,
    agent,
    headers: { 'content-length': content?.size ?? 0, 'content-type': 'application/octet-stream' },
  });
  const answered = once(outgoing, 'response');
  const body = content?.read();
  if (body === undefined || Buffer.isBuffer(body)) outgoing.end(body);
  else {
    for await (const chunk of body) if (!outgoing.write(chunk)) await once(outgoing, 'drain');
    outgoing.end();
  }
  const [response] = (await answered) as [import('node:http').IncomingMessage];
  if (sink) response.on('data', sink);
  else response.resume();
  await once(response, 'end');
  if (!String(response.statusCode).startsWith('2')) throw new Error(`${method} ${target}: ${response.statusCode}`);
  return new Headers(Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]));
}

function registryProtocol(port: number): Protocol {
  return {
    async put(content) {
      const location = (await call(port, 'POST', '/v2/bench/blobs/uploads/')).get('location') ?? '';
      const url = new URL(location, `http://127.0.0.1:${port}`);
      url.searchParams.set('digest', content.digest);
      await call(port, 'PUT', `${url.pathname}${url.search}`, content);
    },
    pathOf: (content) => `/v2/bench/blobs/${content.digest}`,
  };
}

function bareProtocol(port: number): Protocol {
  return {
    put: async (content) => void (await call(port, 'PUT', `/${content.digest.slice(7)}`, content)),
    pathOf: (content) => `/${content.digest.slice(7)}`,
  };
}

function stopping(child: ChildProcess): () => Promise<void> {
  return async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
}

async function start(command: string, args: readonly string[], port: number | 'printed'): Promise<Server> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  for (let tries = 0; ; tries++) {
    if (tries > 100 || child.exitCode !== null) throw new Error(`${command} did not start`);
    await sleep(50);
    const at = port === 'printed' ? Number(/(\d{4,5})"?(?:,|\s|$)/.exec(printed)?.[1]) : port;
    if (!(at > 0)) continue;
    const answers = await call(at, 'GET', '/v2/').then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ECONNREFUSED' && !/socket hang up/.test(error.message),
    );
    if (answers) return { port: at, pid: child.pid ?? 0, [Symbol.asyncDispose]: stopping(child) };
  }
}

const memoryOf = (pid: number): number => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

async function perSecond(count: number, work: (n: number) => Promise<unknown>): Promise<number> {
  const started = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return count / ((performance.now() - started) / 1000);
}

async function measure(server: Server, protocol: Protocol, large: Content, small: readonly Content[]): Promise<Record<string, number>> {
  const megabytes = largeBytes / 1e6;
  const timed = async (work: () => Promise<unknown>) => {
    const started = performance.now();
    await work();
    return megabytes / ((performance.now() - started) / 1000);
  };
  const rows: Record<string, number> = {};
  rows['push of 500 MiB, MB/s'] = await timed(() => protocol.put(large));
  rows['push of small blobs, 1/s'] = await perSecond(small.length, (n) => protocol.put(small[n] as Content));
  let received = 0;
  rows['pull of 500 MiB, MB/s'] = await timed(() =>
    call(server.port, 'GET', protocol.pathOf(large), undefined, (chunk) => (received += chunk.length)),
  );
  if (received !== largeBytes) throw new Error(`${received} bytes came`);
  const one = (n: number) => protocol.pathOf(small[n % small.length] as Content);
  rows['HEAD of small blobs, 1/s'] = await perSecond(smallRequests, (n) => call(server.port, 'HEAD', one(n)));
  rows['GET of small blobs, 1/s'] = await perSecond(smallRequests, (n) => call(server.port, 'GET', one(n)));
  return rows;
}

async function makeLarge(file: string): Promise<Content> {
  const hash = createHash('sha256');
  await using handle = await open(file, 'w');
  const block = randomBytes(2 ** 20);
  for (let at = 0; at < largeBytes; at += block.length) {
    block.writeUInt32LE(at, 0);
    hash.update(block);
    await handle.write(block);
  }
  return {
    digest: `sha256:${hash.digest('hex')}`,
    size: largeBytes,
    async *read() {
      await using source = await open(file, 'r');
      for await (const chunk of source.createReadStream({ highWaterMark: 2 ** 20, autoClose: false })) yield chunk as Buffer;
    },
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function makeSmall(): Content {
  const bytes = randomBytes(smallBytes);
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length, read: () => bytes };
}

const home = path.join(tmpdir(), `bench-${randomUUID().slice(0, 8)}`);
await mkdir(home);
try {
  const large = await makeLarge(path.join(home, 'large'));
  console.log(`load ${loadavg()[0]?.toFixed(1)}`);
  /** By server, by row: one value for each round. */
  const results = new Map<string, Map<string, number[]>>();
  const run = async (name: string, server: Server, protocol: Protocol) => {
    await using ended = server;
    // New ones in each round: nobody answers from what it has.
    const warm = makeSmall();
    await protocol.put(warm);
    await call(server.port, 'GET', protocol.pathOf(warm));
    const small = Array.from({ length: smallBlobs }, makeSmall);
    const rows = { ...(await measure(ended, protocol, large, small)), 'peak memory, MB': memoryOf(server.pid) };
    const all = results.get(name) ?? new Map<string, number[]>();
    for (const [row, value] of Object.entries(rows)) all.set(row, [...(all.get(row) ?? []), value]);
    results.set(name, all);
  };
  const program = ['/usr/bin/docker-registry', '/usr/local/bin/docker-registry'].find((file) => existsSync(file));
  if (program === undefined) console.warn('SKIPPED: docker-registry is missing, so there is no ratio to it');

  const serve = ['--disable-warning=ExperimentalWarning', 'src/main/cli.ts', 'registry', 'serve', '--open', '--json', '--port', '0'];
  for (let round = 0; round < rounds; round++) {
    const data = (name: string) => path.join(home, `${name}-${round}`);
    const ours = await start(process.execPath, [...serve, '--data', data('waybill')], 'printed');
    await run('waybill', ours, registryProtocol(ours.port));
    const bare = await start(process.execPath, [path.join(import.meta.dirname, 'limits/hash-write-server.ts'), data('bare')], 'printed');
    await run('bare server', bare, bareProtocol(bare.port));
    if (program !== undefined) {
      const port = await freePort();
      const config = path.join(home, 'registry.yml');
      await writeFile(
        config,
        `version: 0.1\nlog: { level: error, accesslog: { disabled: true } }\nstorage: { filesystem: { rootdirectory: ${data('docker')} } }\nhttp: { addr: "127.0.0.1:${port}" }\n`,
      );
      await run('docker-registry', await start(program, ['serve', config], port), registryProtocol(port));
    }
    for (const name of ['waybill', 'bare', 'docker']) await rm(data(name), { recursive: true, force: true });
  }
  for (const [row, values] of results.get('waybill') ?? []) {
    const value = median(values);
    const against = ['docker-registry', 'bare server'].flatMap((name) => {
      const other = results.get(name)?.get(row);
      return other === undefined ? [] : [`${(value / median(other)).toFixed(2)} x ${name} (${median(other).toFixed(0)})`];
    });
    console.log(
      `${row}: ${value.toFixed(0)} (${Math.min(...values).toFixed(0)}-${Math.max(...values).toFixed(0)})   ${against.join('   ')}`,
    );
  }
  console.log(`load ${loadavg()[0]?.toFixed(1)}`);
} finally {
  agent.destroy();
  await rm(home, { recursive: true, force: true });
}
