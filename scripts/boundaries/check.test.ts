import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkBoundaries } from './check.ts';
import { folderRules } from './rules.ts';

/** Violations of a tree, as `file:line: message`. */
function told(files: Readonly<Record<string, string>>): string[] {
  return checkBoundaries(new Map(Object.entries(files))).map(({ file, line, message }) => `${file}:${line}: ${message}`);
}

const value = 'export const a = 1;\n';
const admission = 'it judges from digest, signed evidence and policy alone, and runs when the server is down';

const refused: readonly (readonly [what: string, files: Readonly<Record<string, string>>, expected: readonly string[]])[] = [
  [
    'a forbidden import',
    { 'oci/a.ts': "\nimport { a } from '../run/a.ts';\n", 'run/a.ts': value },
    ['oci/a.ts:2: oci/ may not import run/: import of run/a.ts; digests, manifests and layouts stand on their own'],
  ],
  [
    'a forbidden import for its effects alone',
    { 'oci/a.ts': "import '../run/a.ts';\n", 'run/a.ts': value },
    ['oci/a.ts:1: oci/ may not import run/: import of run/a.ts; digests, manifests and layouts stand on their own'],
  ],
  [
    'a type-only one',
    { 'oci/a.ts': "import type { A } from '../run/a.ts';\n", 'run/a.ts': 'export type A = 1;' },
    ['oci/a.ts:1: oci/ may not import run/: import of run/a.ts; digests, manifests and layouts stand on their own'],
  ],
  [
    'a type that names its file',
    { 'oci/a.ts': "export type B = import('../run/a.ts').A;\n", 'run/a.ts': 'export type A = 1;' },
    ['oci/a.ts:1: oci/ may not import run/: type import of run/a.ts; digests, manifests and layouts stand on their own'],
  ],
  [
    'a dynamic import, with quotes and with a template',
    { 'oci/a.ts': "await import('../run/a.ts');\nawait import(`../run/a.ts`);\n", 'run/a.ts': value },
    [1, 2].map(
      (line) => `oci/a.ts:${line}: oci/ may not import run/: dynamic import of run/a.ts; digests, manifests and layouts stand on their own`,
    ),
  ],
  [
    'a re-export, of a name, of all, of a type',
    {
      'oci/a.ts': "export { a } from '../run/a.ts';\nexport * from '../run/a.ts';\nexport type { A } from '../run/a.ts';\n",
      'run/a.ts': value,
    },
    [1, 2, 3].map(
      (line) => `oci/a.ts:${line}: oci/ may not import run/: re-export of run/a.ts; digests, manifests and layouts stand on their own`,
    ),
  ],
  [
    'a file that is started by its URL',
    { 'oci/a.ts': "new Worker(new URL('../run/a.ts', import.meta.url));\n", 'run/a.ts': value },
    ['oci/a.ts:1: oci/ may not import run/: URL of run/a.ts; digests, manifests and layouts stand on their own'],
  ],
  [
    'a value where types alone are allowed',
    { 'policy/a.ts': "import { a, type B } from '../evidence/a.ts';\n", 'evidence/a.ts': value },
    ['policy/a.ts:1: policy/ may not import evidence/ (but types): import of evidence/a.ts; a policy is a function of facts'],
  ],
  [
    'a type outside port.ts where ports alone are allowed',
    { 'run/a.ts': "import type { A } from '../runner/a.ts';\n", 'runner/a.ts': 'export type A = 1;' },
    ['run/a.ts:1: run/ may not import runner/: import of runner/a.ts; a run reaches runners and sources through ports'],
  ],
  [
    'admission, one step from the store',
    { 'admission/a.ts': "import { a } from '../store/a.ts';\n", 'store/a.ts': value },
    [
      'admission/a.ts:1: admission/ may not import store/: import of store/a.ts; the last gate judges without the server',
      `admission/a.ts:1: admission/ reaches store/: admission/a.ts → store/a.ts; ${admission}`,
    ],
  ],
  [
    'admission, two folders from the store, and by types alone',
    {
      'admission/a.ts': "import '../kernel/a.ts';\nimport type { A } from '../evidence/a.ts';\n",
      'evidence/a.ts': "export type { A } from '../oci/a.ts';\n",
      'oci/a.ts': "export type A = import('../store/a.ts').A;\n",
      'store/a.ts': 'export type A = 1;\n',
      'kernel/a.ts': value,
    },
    [
      `admission/a.ts:2: admission/ reaches store/: admission/a.ts → evidence/a.ts → oci/a.ts → store/a.ts; ${admission}`,
      'oci/a.ts:1: oci/ may not import store/: type import of store/a.ts; digests, manifests and layouts stand on their own',
    ],
  ],
  [
    'admission, through a dynamic import of the kernel',
    { 'admission/a.ts': "import '../kernel/a.ts';\n", 'kernel/a.ts': "await import('../ledger/a.ts');\n", 'ledger/a.ts': value },
    [
      `admission/a.ts:1: admission/ reaches ledger/: admission/a.ts → kernel/a.ts → ledger/a.ts; ${admission}`,
      'kernel/a.ts:1: kernel/ may not import ledger/: dynamic import of ledger/a.ts; the kernel stands on nothing',
    ],
  ],
  [
    'I/O in a plan',
    { 'plan/a.ts': "import { readFileSync } from 'node:fs';\nimport { execa } from 'execa';\n" },
    ['plan/a.ts:1: a file without I/O imports node:fs', 'plan/a.ts:2: a file without I/O imports execa'],
  ],
  [
    'I/O behind a plan',
    {
      'plan/a.ts': "import { a } from './b.ts';\n",
      'plan/b.ts': "import { a } from '../kernel/a.ts';\n",
      'kernel/a.ts': "import 'node:fs';\n",
    },
    [
      'plan/a.ts:1: a file without I/O imports node:fs, through plan/b.ts → kernel/a.ts',
      'plan/b.ts:1: a file without I/O imports node:fs, through kernel/a.ts',
    ],
  ],
  [
    'a clock, chance and the network in the machine of a run',
    { 'run/machine.ts': 'Date.now();\nnew Date();\nMath.random();\nfetch("x");\nsetTimeout(() => {}, 1);\ncrypto.randomUUID();\n' },
    ['Date.now', 'new Date()', 'Math.random', 'fetch', 'setTimeout', 'crypto.randomUUID'].map(
      (name, index) => `run/machine.ts:${index + 1}: ${name} in a file that does no I/O, reads no clock and takes no randomness`,
    ),
  ],
  [
    'the Kubernetes client outside kube/, types too',
    { 'deploy/a.ts': "import type { V1Pod } from '@kubernetes/client-node';\nawait import('@kubernetes/client-node/dist/x.js');\n" },
    ['', '/dist/x.js'].map(
      (path, index) => `deploy/a.ts:${index + 1}: @kubernetes/client-node${path} belongs to kube/; only kube/ knows Kubernetes' types`,
    ),
  ],
  [
    'the database outside store/',
    { 'ledger/a.ts': "import { DatabaseSync } from 'node:sqlite';\n" },
    ['ledger/a.ts:1: node:sqlite belongs to store/; only store/ knows which database there is'],
  ],
  [
    'private keys outside the folders that sign, by name and by namespace',
    { 'ops/a.ts': "import { createPrivateKey } from 'node:crypto';\nimport * as crypto from 'crypto';\n" },
    [
      'ops/a.ts:1: createPrivateKey of node:crypto belongs to evidence/, ledger/, registry/; few files touch private keys',
      'ops/a.ts:2: everything of crypto belongs to evidence/, ledger/, registry/; few files touch private keys',
    ],
  ],
  [
    'the environment and exits outside main/, in any dress',
    {
      'http/a.ts':
        "process.env;\nprocess.exit(1);\nprocess['env'];\nprocess[x];\nconst { env } = process;\n(process as any).env;\nglobalThis.process.env;\nimport { exit } from 'node:process';\nprocess?.env;\n",
    },
    [
      'http/a.ts:1: process.env belongs to main/: only it reads the environment and exits',
      'http/a.ts:2: process.exit belongs to main/: only it reads the environment and exits',
      'http/a.ts:3: process.env belongs to main/: only it reads the environment and exits',
      'http/a.ts:4: process.[…] belongs to main/: only it reads the environment and exits',
      'http/a.ts:5: process belongs to main/: only it reads the environment and exits',
      'http/a.ts:6: process belongs to main/: only it reads the environment and exits',
      'http/a.ts:7: globalThis.process hides what is used: name it',
      'http/a.ts:8: node:process belongs to main/; only main/ reads the environment and exits',
      'http/a.ts:9: process.env belongs to main/: only it reads the environment and exits',
    ],
  ],
  [
    'anything but types in a port.ts',
    {
      'runner/port.ts': "import type { A } from './a.ts';\nexport type B = A;\nexport const limit = 1;\n",
      'runner/a.ts': 'export type A = 1;\n',
    },
    ['runner/port.ts:3: a port.ts holds types alone'],
  ],
  [
    'a value import in a port.ts',
    { 'runner/port.ts': "export type { A } from './a.ts';\nimport { a } from './a.ts';\n", 'runner/a.ts': value },
    ['runner/port.ts:2: a port.ts holds types alone'],
  ],
  [
    'a port.ts imported for more than types',
    { 'run/a.ts': "import '../runner/port.ts';\n", 'runner/port.ts': 'export type A = 1;\n' },
    ['run/a.ts:1: run/ may not import runner/: import of runner/port.ts; a run reaches runners and sources through ports'],
  ],
  ['a file that no parser reads', { 'oci/a.ts': 'const a = 1;\nconst = ;\n' }, ['oci/a.ts:2: cannot be read: Unexpected token']],
  [
    'a folder that nobody knows, and a file outside any folder',
    { 'utils/a.ts': value, 'index.ts': value, 'constructor/a.ts': value },
    [
      'constructor/a.ts:1: folder constructor/ is not in the import table (scripts/boundaries/rules.ts)',
      'index.ts:1: a file outside any folder is not in the import table (scripts/boundaries/rules.ts)',
      'utils/a.ts:1: folder utils/ is not in the import table (scripts/boundaries/rules.ts)',
    ],
  ],
  [
    'an unknown folder from a known one',
    { 'oci/a.ts': "import '../utils/a.ts';\n", 'utils/a.ts': value },
    [
      'oci/a.ts:1: oci/ may not import utils/: import of utils/a.ts; digests, manifests and layouts stand on their own',
      'utils/a.ts:1: folder utils/ is not in the import table (scripts/boundaries/rules.ts)',
    ],
  ],
  [
    'what cannot be followed',
    {
      'oci/a.ts':
        "await import(name);\nrequire('x');\nimport '/etc/a.ts';\nimport 'https://example.org/a.ts';\nimport '#a';\nimport './gone.ts';\nimport './b';\nimport '../../x.ts';\n",
    },
    [
      'oci/a.ts:1: dynamic import of a computed path cannot be checked',
      'oci/a.ts:2: require is not checked: use import',
      'oci/a.ts:3: "/etc/a.ts" is neither a package nor a relative path',
      'oci/a.ts:4: "https://example.org/a.ts" is neither a package nor a relative path',
      'oci/a.ts:5: "#a" is neither a package nor a relative path',
      'oci/a.ts:6: "./gone.ts" does not exist',
      'oci/a.ts:7: "./b" has no extension',
      'oci/a.ts:8: "../../x.ts" leads out of src/',
    ],
  ],
  [
    'a cycle between files, through types too',
    {
      'oci/a.ts': "import './b.ts';\n",
      'oci/b.ts': "import type { A } from './c.ts';\n",
      'oci/c.ts': "export * from './a.ts';\n",
      'oci/d.ts': "import './a.ts';\n",
      'oci/self.ts': "import './self.ts';\n",
    },
    [
      'oci/a.ts:1: files import each other: oci/a.ts → oci/b.ts → oci/c.ts → oci/a.ts',
      'oci/self.ts:1: files import each other: oci/self.ts → oci/self.ts',
    ],
  ],
  [
    'a test that is shipped',
    { 'oci/a.ts': "import './a.test.ts';\n", 'oci/a.test.ts': value },
    ['oci/a.ts:1: imports a test: oci/a.test.ts'],
  ],
];

for (const [what, files, expected] of refused) {
  test(`refused: ${what}`, () => assert.deepEqual(told(files), expected));
}

const accepted: readonly (readonly [what: string, files: Readonly<Record<string, string>>])[] = [
  [
    'the kernel and the own folder',
    { 'oci/a.ts': "import '../kernel/a.ts';\nimport './b/c.ts';\n", 'oci/b/c.ts': value, 'kernel/a.ts': value },
  ],
  [
    'types where types are allowed',
    { 'policy/a.ts': "import { type A } from '../evidence/a.ts';\nexport type { A } from '../evidence/a.ts';\n", 'evidence/a.ts': value },
  ],
  [
    'ports where ports are allowed',
    {
      'run/a.ts': "import type { A } from '../runner/port.ts';\n",
      'runner/port.ts': "import type { P } from '../plan/plan.ts';\nexport interface A extends P {}\n",
      'plan/plan.ts': 'export type P = object;\n',
    },
  ],
  [
    'types of node modules in a plan',
    { 'plan/a.ts': "import type { Readable } from 'node:stream';\nimport { z } from 'zod';\nnew Date(0);\nDate.parse('x');\n" },
  ],
  [
    'the process in main, and what is free of it elsewhere',
    {
      'main/a.ts': 'process.exit(process.env.A);\n',
      'runner/a.ts': 'process.kill(process.pid);\nfunction f(process: { env: string }) { return process; }\n',
    },
  ],
  ['a word like a global', { 'plan/a.ts': 'const a = { fetch: 1, process: 2 };\na.fetch;\nexport type T = { crypto: string };\n' }],
  [
    'a test that imports what it tests with',
    { 'oci/a.test.ts': "import '../run/a.ts';\nimport '../../scripts/x.ts';\nprocess.env;\n", 'run/a.ts': value },
  ],
  ['a JSON file of the own folder', { 'oci/a.ts': "import table from './table.json' with { type: 'json' };\n" }],
];

for (const [what, files] of accepted) {
  test(`accepted: ${what}`, () => assert.deepEqual(told(files), []));
}

test('the table allows only folders that it knows, and no ring of folders by value', () => {
  const behind = (folder: string, seen: Set<string>): Set<string> => {
    for (const { folder: next, only } of folderRules[folder]?.imports ?? []) {
      if (only === undefined && !seen.has(next)) behind(next, seen.add(next));
    }
    return seen;
  };
  for (const [folder, rule] of Object.entries(folderRules)) {
    for (const allowed of rule.imports) assert.ok(allowed.folder === '*' || folderRules[allowed.folder] !== undefined, allowed.folder);
    assert.ok(!behind(folder, new Set()).has(folder), folder);
  }
});

test('the command looks at the real tree, and its exit code says what it found', () => {
  const { status, stdout } = spawnSync(process.execPath, [fileURLToPath(new URL('./main.ts', import.meta.url))], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const [, files, violations] = /^(\d+) files, (\d+) violations$/m.exec(stdout) ?? [];
  assert.ok(Number(files) > 20, stdout);
  assert.equal(status, violations === '0' ? 0 : 1);
});
