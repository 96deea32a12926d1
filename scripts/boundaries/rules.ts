/**
 * What may import what under src/ (docs/ARCHITECTURE.md), as data. Every folder may import `kernel` and itself besides.
 * `types(folder)`: type-only imports; `ports(folder)`: its port.ts files, which hold types alone.
 */
export type Allowance = { readonly folder: string; readonly only?: 'types' | 'ports' };
export type FolderRule = { readonly imports: readonly Allowance[]; readonly why: string };

const all = (...folders: readonly string[]): Allowance[] => folders.map((folder) => ({ folder }));
const types = (...folders: readonly string[]): Allowance[] => folders.map((folder) => ({ folder, only: 'types' }));
/** `*` stands for every folder. */
const ports = (folder: string): Allowance[] => [{ folder, only: 'ports' }];

const stages = ['source', 'plan', 'run', 'runner', 'scan', 'image', 'registry', 'evidence', 'policy', 'deploy', 'admission', 'audit'];
const ground = ['config', 'store', 'ledger', 'secrets', 'identity', 'kube', 'oci'];

export const folderRules: Readonly<Record<string, FolderRule>> = {
  kernel: { imports: [], why: 'the kernel stands on nothing' },
  config: { imports: [], why: 'configuration is read before anything else exists' },
  store: { imports: [], why: 'the store knows no table; tables belong to their folders' },
  ledger: { imports: all('store'), why: 'the ledger records what it is given, whoever gives it' },
  secrets: { imports: all('store'), why: 'sealed values know nobody who uses them' },
  identity: { imports: all('store'), why: 'who somebody is does not depend on what they do' },
  kube: { imports: [], why: 'Kubernetes types end here' },
  oci: { imports: [], why: 'digests, manifests and layouts stand on their own' },
  source: { imports: all('store', 'identity'), why: 'changes and reviews do not depend on what is made of them' },
  plan: { imports: ports('source'), why: 'a plan is made from text and an event alone' },
  run: { imports: [...all('plan', 'store'), ...ports('*')], why: 'a run reaches runners and sources through ports' },
  runner: { imports: types('plan'), why: 'a runner executes what it is told and knows no runs' },
  scan: {
    imports: [...all('oci', 'store'), ...types('plan')],
    why: 'a scan reads files and images; advisories and components are tables of its own',
  },
  image: { imports: [...all('oci'), ...types('plan')], why: 'an image is made from a tree and a plan' },
  registry: {
    imports: all('oci', 'store', 'secrets'),
    why: 'the registry stores blobs and mints its tokens alone; credentials of other registries are sealed and opened where they are used',
  },
  evidence: { imports: all('oci'), why: 'papers are verified offline' },
  policy: { imports: types('evidence'), why: 'a policy is a function of facts' },
  deploy: {
    imports: [...all('evidence', 'policy', 'kube', 'store', 'secrets', 'oci'), ...types('plan')],
    why: 'a release is made from digests, manifests and evidence',
  },
  admission: { imports: all('evidence', 'policy', 'kube', 'oci'), why: 'the last gate judges without the server' },
  audit: { imports: all('kube', 'oci'), why: 'the audit looks at the cluster and the registry from outside' },
  ops: {
    imports: [...all(...stages, ...ground), ...types('api')],
    why: 'an op calls the stages and answers in the words of the API; nobody calls it but those who parse requests',
  },
  api: { imports: [], why: 'the web UI and other clients import it' },
  http: {
    imports: [...all('ops', 'api', 'identity'), ...types('run', 'source')],
    why: 'a route asks who calls, parses, calls an op and replies',
  },
  cli: {
    imports: all('api', 'plan', 'image', 'runner', 'scan', 'policy', 'admission', 'evidence', 'oci', 'ledger'),
    why: 'a command talks to the API, or does what needs no server',
  },
  main: { imports: all('ops', 'api', 'http', 'cli', ...stages, ...ground), why: 'main wires everything' },
};

/** No path of imports, of whatever kind and through whatever folder, may lead from one to the other. */
export const unreachable: readonly { readonly from: string; readonly to: readonly string[]; readonly why: string }[] = [
  {
    from: 'admission',
    to: ['run', 'store', 'ledger', 'ops', 'http'],
    why: 'it judges from digest, signed evidence and policy alone, and runs when the server is down',
  },
];

/** Packages, and single names of packages, that belong to some folders only. Type imports count. */
export const packageRules: readonly {
  readonly package: string;
  readonly names?: readonly string[];
  readonly folders: readonly string[];
  readonly why: string;
}[] = [
  { package: '@kubernetes/client-node', folders: ['kube'], why: "only kube/ knows Kubernetes' types" },
  { package: 'node:sqlite', folders: ['store'], why: 'only store/ knows which database there is' },
  { package: 'pg', folders: ['store'], why: 'only store/ knows which database there is' },
  { package: 'node:process', folders: ['main'], why: 'only main/ reads the environment and exits' },
  {
    package: 'node:crypto',
    names: ['createPrivateKey', 'generateKeyPair', 'generateKeyPairSync'],
    folders: ['evidence', 'ledger', 'registry'],
    why: 'few files touch private keys',
  },
];

/** Paths below src/ that may use `process.env`, `process.exit` and the like; a folder ends with `/`. */
export const processUsers: readonly string[] = ['main/', 'source/local/hook.mjs'];

/** Members of `process` that belong to main/. Others (`pid`, `platform`, `kill`, …) are free. */
export const processMembers: ReadonlySet<string> = new Set(
  `env exit exitCode reallyExit abort argv execArgv chdir stdin loadEnvFile getBuiltinModule binding dlopen mainModule`.split(' '),
);

/** Paths below src/ that do no I/O, read no clock and take no randomness: they and what they import by value. */
export const pureFiles: readonly string[] = ['plan/', 'run/machine.ts'];

/** Packages that are pure themselves. */
export const purePackages: ReadonlySet<string> = new Set(['zod', 'yaml']);

/** Globals that a pure file may not name. */
export const impureGlobals: ReadonlySet<string> = new Set(
  `process fetch performance crypto console require globalThis global Worker WebSocket EventSource setTimeout setInterval setImmediate queueMicrotask navigator Temporal`.split(
    ' ',
  ),
);
